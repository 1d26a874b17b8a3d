"""What happened to an organization's money, page by page, the latest first: holds, charges, transactions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

from django.db.models import F, Model, Q, QuerySet

from billing import disputes, payouts
from billing.models import Account, Charge, Dispute, Hold, Payout, TopUp, Transfer, TransferGroup

Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True, kw_only=True)
class Page(Generic[Row]):
    """Some rows, and whether there are more behind them."""

    rows: Sequence[Row]
    has_more: bool


@dataclass(frozen=True, kw_only=True)
class Transaction:
    """Transfers that happened together, as one organization sees them: those that touch accounts of its own.

    `own` are the kinds of its accounts by their ids; whatever else a transfer names is the platform's or a stranger's.
    """

    group: TransferGroup
    transfers: Sequence[Transfer]
    own: Mapping[int, str]


def holds_page(organization_id: UUID, *, state: str | None = None, after: UUID | None = None, limit: int) -> Page[Hold]:
    """What was reserved on an organization's wallet."""
    rows = Hold.objects.filter(organization_id=organization_id).select_related("charge")
    if state is not None:
        rows = rows.filter(state=state)
    return _page(rows, "opened_at", after=after, limit=limit)


def hold_of(organization_id: UUID, hold_id: UUID) -> Hold | None:
    """One of an organization's holds."""
    return Hold.objects.filter(organization_id=organization_id, id=hold_id).select_related("charge").first()


def charges_page(organization_id: UUID, *, after: UUID | None = None, limit: int) -> Page[Charge]:
    """What an organization was asked to pay for."""
    rows = Charge.objects.filter(organization_id=organization_id).select_related("hold", "hold__settlement")
    return _page(rows, "started_at", after=after, limit=limit)


def top_ups_page(organization_id: UUID, *, after: UUID | None = None, limit: int) -> Page[TopUp]:
    """Money that came into an organization's wallet, or is on its way there."""
    return _page(TopUp.objects.filter(organization_id=organization_id), "created_at", after=after, limit=limit)


def disputes_page(
    organization_id: UUID, *, state: str | None = None, after: UUID | None = None, limit: int
) -> Page[Dispute]:
    """What an organization does not agree with."""
    rows = disputes.disputes(organization_id=organization_id, state=state)
    return _page(rows, "opened_at", after=after, limit=limit)


def payouts_page(organization_id: UUID, *, after: UUID | None = None, limit: int) -> Page[Payout]:
    """What was paid out of an organization's earnings, or is on its way, from when it was approved."""
    return _page(payouts.history(organization_id), "created_at", after=after, limit=limit)


def transactions_page(organization_id: UUID, *, after: int | None = None, limit: int) -> Sequence[Transaction]:
    """Everything that moved money of an organization's, its earnings included; one more than asked for, if there is."""
    touched = Transfer.objects.filter(
        Q(debit_organization_id=organization_id) | Q(credit_organization_id=organization_id)
    )
    groups = touched.order_by("-group_id").values_list("group_id", flat=True).distinct()
    if after is not None:
        groups = groups.filter(group_id__lt=after)
    return transactions(organization_id, list(groups[: limit + 1]))


def transactions(organization_id: UUID, group_ids: Sequence[int]) -> Sequence[Transaction]:
    """These groups of transfers, the latest first, as far as they are the organization's to see."""
    lines = Transfer.objects.filter(
        Q(debit_organization_id=organization_id) | Q(credit_organization_id=organization_id), group_id__in=group_ids
    )
    found: dict[int, list[Transfer]] = {}
    for line in lines.select_related("group").order_by("-group_id", "line"):
        found.setdefault(line.group_id, []).append(line)
    own = dict(Account.objects.filter(organization_id=organization_id).values_list("id", "kind"))
    return [Transaction(group=lines[0].group, transfers=lines, own=own) for lines in found.values()]


def _page(rows: QuerySet[Row], moment: str, *, after: UUID | None, limit: int) -> Page[Row]:
    """Rows by the moment they began; those of one moment by their ids."""
    if after is not None:
        last = rows.filter(pk=after).values(moment)
        rows = rows.filter(Q(**{f"{moment}__lt": last[:1]}) | Q(**{moment: last[:1], "pk__lt": after}))
    found = list(rows.order_by(F(moment).desc(), "-pk")[: limit + 1])
    return Page(rows=found[:limit], has_more=len(found) > limit)
