"""Reads of money: the lines of a wallet, what a charge moved, the price table, and whether the books hold."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import get_args
from uuid import UUID

from django.db import connections
from django.db.models import Prefetch, Q, QuerySet, Sum
from django.db.models.functions import Now

from billing.lines import Part
from billing.models import (
    Account,
    Charge,
    Hold,
    PriceItem,
    PriceList,
    PriceVersion,
    Settlement,
    TopUp,
    Transfer,
    UsageLine,
)
from billing.models.account import DEBIT_KINDS
from billing.rating import PICOS_PER_NANO, up
from tenants.context import PLATFORM, alias, platform_context

INVARIANTS = Path(__file__).parent / "sql" / "invariants.sql"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A line of a wallet's statement: what came in (positive) or went out, why, and for which charge."""

    id: int
    at: datetime
    kind: str
    amount: int
    memo: str
    charge_id: UUID | None


@dataclass(frozen=True, kw_only=True)
class TrialBalance:
    """What each kind of account has been debited and credited with; both sums are equal, always."""

    debits: Mapping[str, int]
    credits: Mapping[str, int]

    @property
    def difference(self) -> int:
        """Debit balances of accounts less the credit balances of the others: 0."""
        return sum(self.debits.values()) - sum(self.credits.values())

    def balance(self, kind: str) -> int:
        """What accounts of a kind hold, positive on their normal side."""
        net = self.debits.get(kind, 0) - self.credits.get(kind, 0)
        return net if kind in DEBIT_KINDS else -net


@dataclass(frozen=True, kw_only=True)
class WalletTotals:
    """What the platform owes to all wallets, what runs have reserved of it, and in how many holds. Nanodollars."""

    posted: int
    held: int
    open_holds: int


@dataclass(frozen=True, kw_only=True)
class Vitals:
    """How the books are, in figures that cost little: enough to notice trouble, not to find its cause.

    `imbalance`: by how many nanodollars what accounts have reserved differs from their open holds, and wallets are
    overdrawn; 0, always. `overdue_s`: how long the oldest open hold should have been settled or released by now.
    """

    imbalance: int
    open_holds: int
    overdue_s: float


@dataclass(frozen=True, kw_only=True)
class ChargeLines:
    """A charge with the lines of its bill and the movements it caused, as its payer sees them.

    `hold` is None for what was free from the start, `settlement` while nothing was settled, and for ever where nothing
    was used. There are no lines while nothing was settled, nor where the sweeper settled what was last written down.
    """

    charge: Charge
    hold: Hold | None
    settlement: Settlement | None
    lines: Sequence[UsageLine]
    transfers: Sequence[Transfer]

    def sums(self) -> Sequence[tuple[Part, int, int]]:
        """Of each part that has lines: its billable picodollars, and that in nanodollars, rounded up."""
        return sums_of(self.lines)


def sums_of(lines: Collection[UsageLine]) -> Sequence[tuple[Part, int, int]]:
    """Of each part of a bill that has lines: its billable picodollars, and that in nanodollars, rounded up."""
    parts = [part for part in get_args(Part) if any(line.part == part for line in lines)]
    sums = [
        (part, sum(int(line.amount_pico) for line in lines if line.billable and line.part == part)) for part in parts
    ]
    return tuple((part, pico, up(pico, PICOS_PER_NANO)) for part, pico in sums)


def wallet_entries(organization_id: UUID, *, before: int | None = None, limit: int = 50) -> Sequence[Entry]:
    """The latest lines of an organization's wallet, newest first; `before` is the id of the last one already seen."""
    account = Account.objects.filter(organization_id=organization_id, kind=Account.Kind.WALLET).first()
    if account is None:
        return ()
    lines = Transfer.objects.filter(Q(debit=account) | Q(credit=account)).select_related("group").order_by("-id")
    if before is not None:
        lines = lines.filter(id__lt=before)
    return tuple(
        Entry(
            id=line.id,
            at=line.created_at,
            kind=line.group.kind,
            amount=line.amount if line.credit_id == account.id else -line.amount,
            memo=line.group.memo,
            charge_id=line.group.charge_id,
        )
        for line in lines[:limit]
    )


def earned(organization_id: UUID) -> int:
    """What an organization's agents have earned and was not paid out yet. Nanodollars."""
    with connections[alias()].cursor() as cursor:
        cursor.execute(
            """
            SELECT coalesce(sum(CASE WHEN t.credit_id = a.id THEN t.amount ELSE -t.amount END), 0)
            FROM billing_account a JOIN billing_transfer t ON a.id IN (t.debit_id, t.credit_id)
            WHERE a.organization_id = %s AND a.kind = 'creator_earnings'
            """,
            (organization_id,),
        )
        (nanos,) = cursor.fetchone()
    return int(nanos)


def transfers_of(charge_id: UUID) -> QuerySet[Transfer]:
    """The movements a charge caused, as far as the asking organization may see them."""
    return Transfer.objects.filter(group__charge_id=charge_id).select_related("group").order_by("id")


def charges_of_run(organization_id: UUID, run_id: UUID) -> Sequence[ChargeLines]:
    """What an organization was charged for a run, the run's own charge first; nothing for the runs of others."""
    return _bills(organization_id, Charge.objects.filter(organization_id=organization_id, run_id=run_id))


def charge_and_children(organization_id: UUID, charge_id: UUID) -> Sequence[ChargeLines]:
    """One charge of an organization, and after it those that were made within it; nothing for those of others."""
    family = Charge.objects.filter(Q(id=charge_id) | Q(parent_id=charge_id), organization_id=organization_id)
    return sorted(_bills(organization_id, family), key=lambda lines: lines.charge.id != charge_id)


def _bills(organization_id: UUID, rows: QuerySet[Charge]) -> Sequence[ChargeLines]:
    lines = Prefetch("lines", UsageLine.objects.order_by("number"))
    charges = list(rows.order_by("started_at", "id").select_related("hold", "hold__settlement").prefetch_related(lines))
    moved: dict[UUID | None, list[Transfer]] = defaultdict(list)
    of_payer = Transfer.objects.filter(
        debit_organization_id=organization_id, group__charge_id__in=[charge.id for charge in charges]
    )
    for transfer in of_payer.select_related("group").order_by("id"):
        moved[transfer.group.charge_id].append(transfer)
    return tuple(_lines(charge, moved[charge.id]) for charge in charges)


def charged_for_runs(organization_id: UUID, run_ids: Collection[UUID]) -> dict[UUID, int]:
    """What an organization has paid for each of these runs; those that cost nothing are left out."""
    paid = Settlement.objects.filter(hold__charge__organization_id=organization_id, hold__charge__run_id__in=run_ids)
    sums = paid.order_by().values_list("hold__charge__run_id").annotate(Sum("charged"))
    return {run_id: int(charged) for run_id, charged in sums if charged}


def is_held(run_id: UUID) -> bool:
    """Whether money is still reserved for a run: what it will be charged is not known yet."""
    return Hold.objects.filter(charge__run_id=run_id, state=Hold.State.OPEN).exists()


def ended_among(hold_ids: Collection[UUID]) -> set[UUID]:
    """Those of these holds that are no longer open, whoever's they are."""
    with platform_context(reason="look for holds that ended"):
        try:
            return set(Hold.objects.filter(pk__in=hold_ids).exclude(state=Hold.State.OPEN).values_list("pk", flat=True))
        finally:
            connections[PLATFORM].close()


def _lines(charge: Charge, transfers: Sequence[Transfer]) -> ChargeLines:
    hold: Hold | None = getattr(charge, "hold", None)
    return ChargeLines(
        charge=charge,
        hold=hold,
        settlement=getattr(hold, "settlement", None),
        lines=tuple(charge.lines.all()),
        transfers=tuple(transfers),
    )


def may_spend(organization_id: UUID) -> bool:
    """Whether an organization has a wallet that is open, however little is in it."""
    return Account.objects.filter(
        organization_id=organization_id, kind=Account.Kind.WALLET, status=Account.Status.OPEN
    ).exists()


def price_table(*, search: str = "") -> QuerySet[PriceItem]:
    """What models cost now."""
    counting = Q(version__valid_from__lte=Now()) & (Q(version__valid_to__isnull=True) | Q(version__valid_to__gt=Now()))
    items = PriceItem.objects.filter(
        counting,
        version__state=PriceVersion.State.PUBLISHED,
        version__price_list__kind=PriceList.Kind.PROVIDER_COST,
        model__contains=search,
    )
    return items.select_related("version").order_by("model", "context_from", "unit")


def wallet_totals() -> WalletTotals:
    """All wallets together; staff only."""
    with platform_context(reason="sum up the wallets"):
        wallets = Account.objects.filter(kind=Account.Kind.WALLET).aggregate(
            paid=Sum("credits_posted", default=0),
            spent=Sum("debits_posted", default=0),
            held=Sum("debits_pending", default=0),
        )
        open_holds = Hold.objects.filter(state=Hold.State.OPEN).count()
    return WalletTotals(posted=wallets["paid"] - wallets["spent"], held=wallets["held"], open_holds=open_holds)


def last_top_ups(*, limit: int) -> QuerySet[TopUp]:
    """The latest money that came in, newest first; staff only."""
    return TopUp.objects.select_related("organization").order_by("-created_at")[:limit]


def trial_balance() -> TrialBalance:
    """The books of the whole platform in one look."""
    with platform_context(reason="trial balance"), connections[PLATFORM].cursor() as cursor:
        cursor.execute(
            """
            WITH pairs AS (
                SELECT debit_id, credit_id, sum(amount) AS amount FROM billing_transfer GROUP BY debit_id, credit_id
            )
            SELECT a.kind, sum(side.debit), sum(side.credit)
            FROM (
                SELECT debit_id AS account_id, amount AS debit, 0 AS credit FROM pairs
                UNION ALL
                SELECT credit_id, 0, amount FROM pairs
            ) side
            JOIN billing_account a ON a.id = side.account_id
            GROUP BY a.kind
            """
        )
        rows = cursor.fetchall()
    return TrialBalance(
        debits={kind: int(debits) for kind, debits, _ in rows},
        credits={kind: int(credits) for kind, _, credits in rows},
    )


def vitals() -> Vitals:
    """The books' vital signs, from what stands in accounts and open holds; no transfer is read."""
    with platform_context(reason="look at the books' vital signs"), connections[PLATFORM].cursor() as cursor:
        cursor.execute(
            """
            WITH held AS (
                SELECT account_id, count(*) FILTER (WHERE state = 'open') AS holds,
                    sum(CASE state WHEN 'open' THEN amount - child_spent ELSE child_reserved END)
                        FILTER (WHERE parent_id IS NULL) AS amount,
                    min(expires_at) FILTER (WHERE state = 'open') AS first_to_expire
                FROM billing_hold WHERE state = 'open' OR child_reserved > 0 GROUP BY account_id
            )
            SELECT coalesce(sum(abs(a.debits_pending - coalesce(h.amount, 0))), 0)
                 + coalesce(sum(greatest(0, a.debits_posted + a.debits_pending - a.credits_posted - a.credit_limit))
                   FILTER (WHERE a.enforced), 0),
                coalesce(sum(h.holds), 0),
                coalesce(greatest(0, extract(epoch FROM now() - min(h.first_to_expire))), 0)
            FROM billing_account a LEFT JOIN held h ON h.account_id = a.id
            """
        )
        imbalance, open_holds, overdue_s = cursor.fetchone()
    return Vitals(imbalance=int(imbalance), open_holds=int(open_holds), overdue_s=float(overdue_s))


def invariants() -> dict[str, int]:
    """What must hold in the books, by name, with the number of rows that break it: all zeros."""
    with platform_context(reason="check the books"), connections[PLATFORM].cursor() as cursor:
        cursor.execute(INVARIANTS.read_text())
        return {name: int(violations) for name, violations in cursor.fetchall()}
