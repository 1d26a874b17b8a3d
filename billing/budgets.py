"""Budgets as people set them: what may be spent in a period, and how much of it is left."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError
from django.db import connections
from django.db.models import DateTimeField, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.expressions import RawSQL
from django.db.models.functions import Now

from billing.amounts import MOST_NANOS, dollars
from billing.errors import BudgetNotFound, HoldConflict, InvalidBudget
from billing.models import Budget, BudgetWindow
from billing.subjects import described, names_of
from tenants import audit
from tenants.context import alias, atomic, current_organization
from tenants.time_zones import refuse_unknown_zone

SCOPES: Final = ("organization", "key", "agent", "end_user")
"""Whose a budget may be; that of a payment token is its cap, and comes with it."""
PERIODS: Final = tuple(Budget.Period.values)
MODES: Final = tuple(Budget.Mode.values)
MOST_BUDGETS: Final = 1_000
MOST_ALERTS: Final = 10
DEFAULT_ALERTS: Final = (50, 80, 100)

_ENDS_AT = """(
    SELECT p.ends_at
    FROM billing_period(billing_budget.period, billing_budget.time_zone, billing_budget.created_at, now()) p
)"""


@dataclass(frozen=True, kw_only=True)
class State:
    """A budget, and the period that it is in: what runs have reserved, what they have spent, when it begins anew."""

    budget: Budget
    held_nanos: int
    spent_nanos: int
    resets_at: datetime | None

    @property
    def whose(self) -> str:
        """Whose spending counts."""
        return described(self.budget.scope, self.budget.subject_name or self.budget.subject)

    @property
    def limit(self) -> str:
        """How much may be spent, in which time."""
        limit, period = dollars(self.budget.limit), self.budget.period
        return f"{limit} in all" if period == Budget.Period.TOTAL else f"{limit} a {period}"

    @property
    def used(self) -> str:
        """What is spent of it, and what runs have reserved."""
        spent = f"{dollars(self.spent_nanos)} spent"
        return f"{spent}, {dollars(self.held_nanos)} reserved" if self.held_nanos else spent

    @property
    def left(self) -> str:
        """What may still be spent in this period."""
        return dollars(self.remaining_nanos)

    @property
    def remaining_nanos(self) -> int:
        """What is left of the limit; never less than nothing."""
        return max(self.budget.limit - self.held_nanos - self.spent_nanos, 0)

    @property
    def used_percent(self) -> int:
        """How much of the limit is reserved or spent; over 100 for a limit that was lowered, or only warns."""
        used = self.held_nanos + self.spent_nanos
        return used * 100 // self.budget.limit if self.budget.limit else 100

    @property
    def bar(self) -> tuple[int, int]:
        """How much of a bar of 100 is spent, and how much of the rest is reserved."""
        spent = min(self.spent_nanos * 100 // self.budget.limit, 100) if self.budget.limit else 100
        return spent, min(self.used_percent, 100) - spent

    @property
    def begins_anew(self) -> str:
        """When the next period begins, by the budget's own calendar; never where it is for all time."""
        if self.resets_at is None:
            return "never"
        zone = self.budget.time_zone
        return f"{self.resets_at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M} ({zone})"


def set_budget(
    *,
    id: UUID,
    scope: str,
    subject: str,
    period: str,
    time_zone: str,
    limit_nanos: int,
    mode: str,
    alert_percents: Collection[int] = DEFAULT_ALERTS,
    actor: str,
) -> State:
    """A new budget of the current organization, or other limits for the one with this id.

    Whose it is and which periods it has stays as it was first set. Raises InvalidBudget, HoldConflict.
    """
    organization_id = current_organization()
    percents = sorted(set(alert_percents))
    check(scope=scope, subject=subject, time_zone=time_zone, limit_nanos=limit_nanos, alert_percents=percents)
    with atomic():
        others = Budget.objects.filter(organization_id=organization_id, active=True).exclude(
            Q(id=id) | Q(scope="token")
        )
        if others.count() >= MOST_BUDGETS:
            raise InvalidBudget("scope", f"An organization has at most {MOST_BUDGETS} budgets.")
        values: list[Any] = [
            id, organization_id, scope, subject, period, time_zone, limit_nanos, mode, percents, actor[:254],
        ]  # fmt: skip
        with connections[alias()].cursor() as cursor:
            cursor.execute("SELECT billing_set_budget(%s, %s, %s, %s, %s, %s, %s, %s, %s::integer[], %s)", values)
            (outcome,) = cursor.fetchone()
        if outcome != "set":
            raise HoldConflict(f"The id {id} is taken by another budget.")
        state = budget_of(id)
        audit.record(action="budget.set", object=state.budget, detail={"limit_nanos": str(limit_nanos), "mode": mode})
    return state


def change_budget(
    id: UUID,
    *,
    limit_nanos: int | None = None,
    mode: str | None = None,
    alert_percents: Collection[int] | None = None,
    actor: str,
) -> State:
    """Other limits for a budget, from now on; what runs have reserved already stays. BudgetNotFound, InvalidBudget."""
    known = budget_of(id).budget
    return set_budget(
        id=id,
        scope=known.scope,
        subject=known.subject,
        period=known.period,
        time_zone=known.time_zone,
        limit_nanos=known.limit if limit_nanos is None else limit_nanos,
        mode=mode or known.mode,
        alert_percents=known.alert_percents if alert_percents is None else alert_percents,
        actor=actor,
    )


def end_budget(id: UUID) -> None:
    """Refuse nothing more because of this budget. BudgetNotFound for those of others, as for absent ones."""
    with atomic():
        budget = budget_of(id).budget
        with connections[alias()].cursor() as cursor:
            cursor.execute("SELECT billing_end_budget(%s, %s)", (id, current_organization()))
        audit.record(action="budget.ended", object=budget)


def budget_of(id: UUID) -> State:
    """One of the current organization's budgets that count; BudgetNotFound for anything else."""
    found = states(Budget.objects.filter(id=id, organization_id=current_organization()))
    if not found:
        raise BudgetNotFound("There is no such budget.")
    return found[0]


def budgets_page(
    *, after: UUID | None, limit: int, scope: str | None = None, subject: str | None = None
) -> tuple[Sequence[State], bool]:
    """The budgets of the current organization, by their ids; and whether there are more behind them."""
    rows = with_window(Budget.objects.filter(organization_id=current_organization())).order_by("id")
    if after is not None:
        rows = rows.filter(id__gt=after)
    if scope is not None:
        rows = rows.filter(scope=scope)
    if subject is not None:
        rows = rows.filter(subject=subject)
    found = [state_of(budget) for budget in rows[: limit + 1]]
    return found[:limit], len(found) > limit


def windows_page(id: UUID, *, after: int | None, limit: int) -> tuple[Sequence[BudgetWindow], bool]:
    """The periods of a budget in which anything was asked for, latest first; and whether there are earlier ones.

    Raises BudgetNotFound.
    """
    rows = BudgetWindow.objects.filter(budget_id=budget_of(id).budget.id).order_by("-id")
    if after is not None:
        rows = rows.filter(id__lt=after)
    found = list(rows[: limit + 1])
    return found[:limit], len(found) > limit


def budgets_of(scope: str, subject: str) -> Sequence[State]:
    """Those that a key, an agent or an end user of the current organization has to itself, the tightest first.

    What refuses comes before what only warns.
    """
    rows = Budget.objects.filter(organization_id=current_organization(), scope=scope, subject=subject)
    return sorted(states(rows), key=lambda state: (state.budget.mode == Budget.Mode.SOFT, state.remaining_nanos))


def nearly_used(*, percent: int, most: int) -> Sequence[State]:
    """Those of the current organization of which that share is spent or reserved, with names; at most so many."""
    rows = with_window(Budget.objects.filter(organization_id=current_organization()))
    # Divided first: a hundred times the largest limit is more than the database counts to.
    reached = rows.annotate(used=F("held_now") + F("spent_now")).filter(used__gte=F("limit") / 100 * percent)
    found = list(reached.order_by("id")[:most])
    name_subjects(found)
    return [state_of(budget) for budget in found]


def name_subjects(rows: Collection[Budget]) -> None:
    """Have budgets know what the keys and agents are called whose they are; who is there of a scope is asked once."""
    subjects = defaultdict(set)
    for budget in rows:
        subjects[budget.scope].add(budget.subject)
    names = {scope: names_of(scope, those) for scope, those in subjects.items()}
    for budget in rows:
        budget.subject_name = names[budget.scope].get(budget.subject, "")


def with_window(rows: QuerySet[Budget]) -> QuerySet[Budget]:
    """Rows that count, with what their present period holds."""
    current = BudgetWindow.objects.filter(Q(ends_at__isnull=True) | Q(ends_at__gt=Now()), budget_id=OuterRef("pk"))
    latest = current.order_by("-starts_at")
    counting = Q(active=True) & ~Q(scope="token")
    return rows.filter(counting).annotate(
        held_now=Subquery(latest.values("held")[:1]),
        spent_now=Subquery(latest.values("spent")[:1]),
        resets_at=RawSQL(_ENDS_AT, (), output_field=DateTimeField()),  # noqa: S611 - a statement of our own
    )


def state_of(budget: Any) -> State:
    """One row of those."""
    return State(
        budget=budget,
        held_nanos=budget.held_now or 0,
        spent_nanos=budget.spent_now or 0,
        resets_at=budget.resets_at,
    )


def states(rows: QuerySet[Budget]) -> list[State]:
    """These rows as they are now; those that have ended are left out."""
    return [state_of(budget) for budget in with_window(rows)]


def check(*, scope: str, subject: str, time_zone: str, limit_nanos: int, alert_percents: Sequence[int]) -> None:
    """Raise InvalidBudget for what no budget of the current organization can be."""
    if scope == "organization" and subject:
        raise InvalidBudget("subject", "The budget of the organization is nobody's in particular: leave it out.")
    if scope == "end_user" and not 1 <= len(subject) <= 256:
        raise InvalidBudget("subject", "Name the end user as your requests do, in 1 to 256 characters.")
    if scope in ("key", "agent") and subject not in names_of(scope, [subject]):
        raise InvalidBudget("subject", f"There is no such {'API key' if scope == 'key' else 'agent'} of yours.")
    if not 0 <= limit_nanos <= MOST_NANOS:
        raise InvalidBudget("limit_nanos", f"A limit is at most {dollars(MOST_NANOS)}.")
    if len(alert_percents) > MOST_ALERTS or any(not 1 <= percent <= 1_000 for percent in alert_percents):
        raise InvalidBudget("alert_percents", f"Name up to {MOST_ALERTS} shares of 1 to 1,000 percent.")
    try:
        refuse_unknown_zone(time_zone)
    except ValidationError as refused:
        raise InvalidBudget("time_zone", refused.messages[0]) from refused
