"""Short words for moving money in tests: each goes through the ledger and waits until it is durable."""

import asyncio
import time
from collections.abc import Coroutine, Mapping
from contextlib import AbstractContextManager
from typing import Any, TypeVar
from uuid import UUID, uuid4

import psycopg
from django.db import connections

from billing import ledger, selectors
from billing.lines import Line, Part
from billing.models import Hold
from billing.pricing import PriceTerms, Rated
from tenants.context import platform_context
from tenants.models import Organization

T = TypeVar("T")

PLATFORM_PAYS = PriceTerms(model=None, platform_credential=True, owner_is_payer=False)
OWN_KEY = PriceTerms(model=None, platform_credential=False, owner_is_payer=False)


def run(work: Coroutine[Any, Any, T]) -> T:
    """What a coroutine returns, in a loop of its own."""
    return asyncio.run(work)


def hold(
    payer: Organization,
    amount: int,
    *,
    creator: Organization | None = None,
    id: UUID | None = None,
    terms: PriceTerms = PLATFORM_PAYS,
    **options: Any,
) -> UUID:
    """A hold of `amount` for a run of the creator's agent."""
    id = id or uuid4()
    run(
        ledger.hold(
            id=id,
            payer=payer.id,
            run_id=id,
            amount_nanos=amount,
            reference="run",
            price=terms,
            beneficiary=creator.id if creator else None,
            **options,
        )
    )
    return id


def settle(
    id: UUID, *, cost: int = 0, markup: int = 0, fee: int = 0, platform_credential: bool = True, **options: Any
) -> ledger.Settled:
    """The end of a hold that cost something."""
    ending: dict[str, Any] = {"source": "provider", "status": "finished", **options}
    return run(
        ledger.settle(
            id=id,
            cost_nanos=cost,
            markup_nanos=markup,
            fee_nanos=fee,
            platform_credential=platform_credential,
            **ending,
        )
    )


def flat(part: Part, nanos: int) -> Line:
    """A line of a bill that says how much and no more."""
    pico = nanos * 1_000
    return Line(part=part, sku="test", unit="call", quantity=1, price_pico=pico, amount_pico=pico, source="provider")


def release(id: UUID) -> None:
    """The end of a hold that cost nothing."""
    run(ledger.release(id=id, status="failed"))


def checkpoint(id: UUID, *, cost: int = 0, markup: int = 0, fee: int = 0) -> None:
    """What a hold has spent so far."""
    run(ledger.checkpoint({id: Rated(cost_nanos=cost, markup_nanos=markup, fee_nanos=fee)}))


def expire(*ids: UUID) -> None:
    """Let the time of these holds run out, as if a minute had passed."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "UPDATE billing_hold SET expires_at = now() - interval '1 second' WHERE id = ANY (%s)", (list(ids),)
        )


def age_window(budget_id: UUID, *, days: int) -> None:
    """Let a budget's present period have begun so many days earlier, and be over."""
    with connections["owner"].cursor() as cursor:
        cursor.execute("ALTER TABLE billing_budgetwindow DISABLE TRIGGER guard")
        cursor.execute(
            "UPDATE billing_budgetwindow SET starts_at = starts_at - %s * interval '1 day', "
            "ends_at = now() - interval '1 second' WHERE budget_id = %s AND ends_at > now()",
            (days, budget_id),
        )
        cursor.execute("ALTER TABLE billing_budgetwindow ENABLE TRIGGER guard")


def sweep() -> None:
    """Close all that nobody came back for, whichever test left it, as a worker does by and by."""
    while ledger.sweep_expired():
        pass


def state(id: UUID) -> tuple[str, str]:
    """The state of a hold and of its charge."""
    with everything():
        found = Hold.objects.select_related("charge").get(id=id)
    return found.state, found.charge.status


def everything() -> AbstractContextManager[None]:
    """Look across organizations."""
    return platform_context(reason="a test looks")


def broken_rules() -> dict[str, int]:
    """The invariants of the books that do not hold. What earlier tests left open is swept first, as a worker would."""
    sweep()
    return {name: rows for name, rows in selectors.invariants().items() if rows}


def connect(url: str) -> psycopg.Connection[tuple[Any, ...]]:
    """A connection of one's own, beside the product's."""
    return psycopg.connect(url, autocommit=True)


def superuser(urls: Mapping[str, str]) -> str:
    """The address of the test's database for who is above all rules but the triggers'."""
    return urls["owner"].replace("robutler_owner", "postgres")


def until_blocked(pid: int, urls: Mapping[str, str]) -> None:
    """Return once somebody waits for the session of that process."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE %s = ANY (pg_blocking_pids(pid))"
    deadline = time.monotonic() + 10
    with connect(superuser(urls)) as watcher:
        while watcher.execute(waiting, (pid,)).fetchone() == (0,):
            assert time.monotonic() < deadline
            time.sleep(0.01)


class Books:
    """How the platform's accounts changed since this was made."""

    def __init__(self) -> None:
        self._before = ledger.trial_balance()

    def change(self, kind: str) -> int:
        """What the accounts of a kind gained."""
        return ledger.trial_balance().balance(kind) - self._before.balance(kind)

    def changes(self) -> dict[str, int]:
        """What each kind gained, where it did."""
        kinds = ("platform_revenue", "creator_earnings", "provider_cost", "provider_payable", "overrun_loss")
        return {kind: self.change(kind) for kind in kinds if self.change(kind)}
