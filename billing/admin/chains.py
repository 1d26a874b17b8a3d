"""One charge with all that belongs to it: its hold, settlement and bill, what moved, and what was given back."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Q

from billing import refunds
from billing.models import Charge, Hold, Refund, Settlement, Transfer, TransferGroup, UsageLine

MOST_FOUND = 50


@dataclass(frozen=True, kw_only=True)
class Chain:
    """From the charge to the transfers. What did not come to be is None or empty."""

    charge: Charge
    hold: Hold | None
    settlement: Settlement | None
    children: Sequence[Hold]
    lines: Sequence[UsageLine]
    transfers: Sequence[Transfer]
    refunds: Sequence[Refund]
    refundable: int
    """What may still be given back, in nanodollars."""


def chain_of(charge_id: UUID) -> Chain | None:
    """Everything about a charge, in a handful of questions; None when there is no such charge."""
    known = Charge.objects.select_related("organization", "beneficiary", "price_version")
    charge = known.filter(id=charge_id).first()
    if charge is None:
        return None
    hold = Hold.objects.filter(charge_id=charge_id).select_related("account", "parent").first()
    of_charge = Q(charge_id=charge_id)
    settlement = Settlement.objects.filter(hold_id=hold.id).first() if hold else None
    groups = TransferGroup.objects.filter(of_charge | Q(reverses__charge_id=charge_id))
    return Chain(
        charge=charge,
        hold=hold,
        settlement=settlement,
        children=tuple(Hold.objects.filter(parent_id=hold.id).select_related("charge")) if hold else (),
        lines=tuple(UsageLine.objects.filter(charge_id=charge_id).order_by("number")),
        transfers=tuple(
            Transfer.objects.filter(group__in=groups)
            .select_related("group", "debit__organization", "credit__organization")
            .order_by("id")
        ),
        refunds=tuple(refunds.refunds(hold_id=settlement.pk)) if settlement else (),
        refundable=refunds.refundable(settlement.pk) if settlement else 0,
    )


def found_by(text: str) -> Sequence[Charge]:
    """The charges somebody may mean, by their id, that of their run or hold, or the key of a group of transfers."""
    charges = Charge.objects.select_related("organization").order_by("-started_at")
    id = _uuid(text)
    if id is not None:
        return tuple(charges.filter(Q(id=id) | Q(run_id=id) | Q(hold__id=id))[:MOST_FOUND])
    return tuple(charges.filter(transfer_groups__key=text).distinct()[:MOST_FOUND]) if text else ()


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
