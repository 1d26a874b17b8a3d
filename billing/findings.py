"""The rules of a reconciliation: each compares two figures that should be one, or a figure with its goal."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final, Literal

from django.db import connections

from billing import bank_claims, figures, rollups, seals, selectors
from billing.amounts import dollars
from billing.invariants import NUMBERS
from billing.provider_usage import Compared
from billing.roll_forward import roll_forward
from tenants.context import PLATFORM, platform_context

State = Literal["holds", "broken", "beyond its goal", "not checked"]

ESTIMATED_GOAL_BP: Final = 100
LOSS_GOAL_BP: Final = 10
UNKNOWN_GOAL_BP: Final = 100
WHOLE_BP: Final = 10_000


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one rule came to. `violations` counts what breaks it; amounts are nanodollars."""

    rule: str
    check: str
    state: State
    violations: int = 0
    ours: int | None = None
    theirs: int | None = None
    detail: str = ""


def findings(day: date, *, found: Mapping[str, int], compared: Sequence[Compared] | None) -> Iterator[Finding]:
    """Every rule for a day, then every invariant. `found` is what a full look at the invariants came to."""
    since = datetime(day.year, day.month, day.day, tzinfo=UTC)
    until = since + timedelta(days=1)
    with platform_context(reason=f"reconcile {day}"):
        used = figures.usage(figures.Span(since=since, until=until))
        claims = bank_claims.open_claims().filter(received_at__lt=until).count()
    balance = selectors.trial_balance()
    yield _equal("R1", "the trial balance is balanced", ours=balance.difference, theirs=0)
    yield _none("R2", "totals are the sums of what moved", found, "I3", "I4", also=rollups.differences())
    yield _none("R3", "every charge that ended has one end", found, "I5", "I12")
    yield _described(since, until)
    yield _named_once(since, until)
    yield _as_providers_say(compared)
    yield _none("R6", "every top-up is in the journal, with what it cost", found, "I19")
    yield _none("R6", "every claim of a bank is booked or explained", {}, also=claims)
    yield _none("R7", "open holds belong to work that is alive", found, "I11")
    yield _share("R8", "estimated share of charges", used.estimated, used.charged, goal_bp=ESTIMATED_GOAL_BP)
    yield from _creators(since, until)
    yield _share("R10", "losses as a share of revenue", used.loss, used.platform_share, goal_bp=LOSS_GOAL_BP)
    yield _sealed()
    yield _equal("R12", "suspense is empty", ours=balance.balance("suspense"), theirs=0)
    for name, violations in sorted(found.items()):
        yield Finding(
            rule=NUMBERS.get(name, ""), check=name, state="broken" if violations else "holds", violations=violations
        )


def _equal(rule: str, check: str, *, ours: int, theirs: int, detail: str = "") -> Finding:
    differs = ours != theirs
    return Finding(
        rule=rule,
        check=check,
        state="broken" if differs else "holds",
        violations=int(differs),
        ours=ours,
        theirs=theirs,
        detail=detail,
    )


def _none(rule: str, check: str, found: Mapping[str, int], *invariants: str, also: int = 0) -> Finding:
    names = [name for name in found if NUMBERS.get(name) in invariants]
    violations = sum(found[name] for name in names) + also
    return Finding(
        rule=rule,
        check=check,
        state="broken" if violations else "holds",
        violations=violations,
        detail="; ".join(name for name in names if found[name]),
    )


def _share(rule: str, check: str, part: int, whole: int, *, goal_bp: int) -> Finding:
    """A goal that is missed is told, and breaks nothing."""
    is_beyond = part * WHOLE_BP > whole * goal_bp
    return Finding(
        rule=rule,
        check=check,
        state="beyond its goal" if is_beyond else "holds",
        ours=part,
        theirs=whole,
        detail=f"{dollars(part)} of {dollars(whole)}; the goal is at most {goal_bp / 100:g} %",
    )


def _described(since: datetime, until: datetime) -> Finding:
    """What cost something says what it was used for, line by line; what died in between cannot."""
    with platform_context(reason="look for what cost something"), connections[PLATFORM].cursor() as cursor:
        cursor.execute(
            """
            SELECT count(*), count(*) FILTER (
                WHERE NOT EXISTS (SELECT FROM billing_usageline l WHERE l.charge_id = s.hold_id)
            )
            FROM billing_settlement s WHERE s.created_at >= %s AND s.created_at < %s AND s.cost > 0
            """,
            (since, until),
        )
        settlements, unknown = cursor.fetchone()
    is_beyond = unknown * WHOLE_BP > settlements * UNKNOWN_GOAL_BP
    return Finding(
        rule="R4",
        check="what cost something says what for",
        state="beyond its goal" if is_beyond else "holds",
        ours=unknown,
        theirs=settlements,
        detail=f"{unknown} of {settlements} settlements have no lines; the goal is at most {UNKNOWN_GOAL_BP / 100:g} %",
    )


def _named_once(since: datetime, until: datetime) -> Finding:
    """A provider names each reply once. One name for several charges is a reply that was sold twice, or no name."""
    with platform_context(reason="look for replies of one name"), connections[PLATFORM].cursor() as cursor:
        cursor.execute(
            """
            SELECT count(*), coalesce(min(model), '') || ' ' || coalesce(min(named), '') FROM (
                SELECT min(l.sku) AS model, l.upstream_request_id AS named FROM billing_usageline l
                 WHERE l.created_at >= %s AND l.created_at < %s AND l.part = 'cost' AND l.upstream_request_id <> ''
                 GROUP BY split_part(l.sku, '/', 1), l.upstream_request_id HAVING count(DISTINCT l.charge_id) > 1
            ) twice
            """,
            (since, until),
        )
        twice, first = cursor.fetchone()
    return Finding(
        rule="R4",
        check="providers name each reply once",
        state="beyond its goal" if twice else "holds",
        ours=twice,
        theirs=0,
        detail=f"{twice} names stand for several charges, such as {first}" if twice else "",
    )


def _as_providers_say(compared: Sequence[Compared] | None) -> Finding:
    check = "providers say what the books say"
    if compared is None:
        return Finding(rule="R5", check=check, state="not checked", detail="no export of a provider was given")
    differing = [each for each in compared if each.is_beyond_tolerance]
    return Finding(
        rule="R5",
        check=check,
        state="broken" if differing else "holds",
        violations=len(differing),
        ours=sum(each.ours for each in compared),
        theirs=sum(each.theirs for each in compared),
        detail=", ".join(each.model or "no model" for each in differing),
    )


def _creators(since: datetime, until: datetime) -> Iterator[Finding]:
    rolled = roll_forward(since, until)
    said = " ".join(
        (
            f"{dollars(rolled.opening)} + {dollars(rolled.earned)} earned − {dollars(rolled.clawed)} clawed back",
            f"− {dollars(rolled.paid)} paid + {dollars(rolled.adjusted)} adjusted",
        )
    )
    yield _equal("R9", "creators are owed what they earned", ours=rolled.expected, theirs=rolled.closing, detail=said)
    yield _equal("R9", "creators earned what settlements gave them", ours=rolled.earned, theirs=rolled.given)


def _sealed() -> Finding:
    history = seals.check()
    said = [
        *([f"changed after seal {history.broken[0]}"] if history.broken else []),
        *([f"seal {history.forgotten[0]} is known outside and not here"] if history.forgotten else []),
    ]
    wrong = len(history.broken) + len(history.forgotten)
    return Finding(
        rule="R11",
        check="history is as it was sealed",
        state="broken" if wrong else "holds",
        violations=wrong,
        detail="; ".join(said) or f"{history.seals} seals",
    )
