"""What a run came to, in lines for its page."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from billing.amounts import dollars
from billing.models import Hold, Settlement, Transfer, TransferGroup


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """What was reserved, what came of it, and which money moved; `lines` are names and values."""

    lines: tuple[tuple[str, Any], ...]
    transfers: tuple[tuple[Transfer, str], ...]


def receipt_of(run_id: UUID) -> Receipt | None:
    """The money of a run as far as the asking organization may see it; None for a run that was free."""
    holds = list(Hold.objects.filter(charge__run_id=run_id).select_related("charge"))
    if not holds:
        return None
    settlements = Settlement.objects.in_bulk([hold.pk for hold in holds])
    lines: list[tuple[str, Any]] = []
    for hold in holds:
        lines += [("Reserved", dollars(hold.amount)), ("Reservation", hold.get_state_display())]
        if settlement := settlements.get(hold.pk):
            lines += _lines(settlement)
    groups = TransferGroup.objects.filter(charge__in=[hold.charge_id for hold in holds])
    moved = Transfer.objects.filter(group__in=groups).select_related("group").order_by("id")
    return Receipt(lines=tuple(lines), transfers=tuple((transfer, dollars(transfer.amount)) for transfer in moved))


def _lines(settlement: Settlement) -> list[tuple[str, str]]:
    asked = [
        ("Provider's cost", settlement.cost),
        ("Agent's price", settlement.markup),
        ("Platform's fee", settlement.fee),
        ("Charged", settlement.charged),
        ("Beyond the reservation", settlement.overrun),
        ("Not covered", settlement.loss),
    ]
    return [(name, dollars(amount)) for name, amount in asked if amount or name == "Charged"]
