"""Holds and settlements of one wallet, done in one of several ways for some seconds; says what it managed as JSON.

`committer`: the product's way. `alone`: the same functions of the database, one hold or settlement a transaction, each
client on a connection of its own. `orm`: the same rows in the same tables without their triggers, written by Django's
ORM under a lock of the wallet, as one would without functions. `commit`: one row and one commit at a time, the bare
limit of the disk.
"""

import argparse
import asyncio
import json
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import django

django.setup()

import psycopg  # noqa: E402  # Django must be set up first
from django.db import connections, transaction  # noqa: E402
from django.utils import timezone  # noqa: E402

from benchmarks.tenant import credit  # noqa: E402
from billing import budgets, connection, ledger, operations  # noqa: E402
from billing.lines import Line, Part, as_json  # noqa: E402
from billing.models import (  # noqa: E402
    Account,
    Charge,
    Hold,
    Settlement,
    Transfer,
    TransferGroup,
    UsageLine,
)
from billing.rating import PriceTerms  # noqa: E402
from tenants.context import organization_context, platform_context  # noqa: E402
from tenants.ids import uuid7  # noqa: E402
from tenants.services import create_organization  # noqa: E402

AMOUNT, COST, MARKUP, FEE = 1_000, 300, 200, 50
TERMS = PriceTerms(model=None, platform_credential=True, owner_is_payer=False)
_PARTS: tuple[tuple[Part, str, int], ...] = (
    ("cost", "input", 100), ("cost", "output", 200), ("markup", "run", 200), ("fee", "run", 50),
)  # fmt: skip
LINES = tuple(
    Line(
        part=part, sku="bench/model", unit=unit, quantity=nanos, price_pico=1_000, amount_pico=nanos * 1_000,
        source="provider",
    )
    for part, unit, nanos in _PARTS
)  # fmt: skip
COPIED = ("account", "charge", "hold", "settlement", "transfergroup", "transfer", "usageline")


class Tally:
    """How many pairs were done in each second."""

    def __init__(self, seconds: float) -> None:
        self._began = time.monotonic()
        self.until = self._began + seconds
        self.by_second: dict[int, int] = {}
        self._adding = threading.Lock()

    @property
    def goes_on(self) -> bool:
        """Whether there is time left."""
        return time.monotonic() < self.until

    def add(self) -> None:
        """One more pair."""
        with self._adding:
            second = int(time.monotonic() - self._began)
            self.by_second[second] = self.by_second.get(second, 0) + 1


def by_committer(payer: UUID, creator: UUID, clients: int, tally: Tally) -> None:
    """As the product does it."""

    async def client() -> None:
        while tally.goes_on:
            id = uuid7()
            await ledger.hold(
                id=id, payer=payer, run_id=id, amount_nanos=AMOUNT, reference="bench", price=TERMS, beneficiary=creator
            )
            await ledger.settle(
                id=id, cost_nanos=COST, markup_nanos=MARKUP, fee_nanos=FEE, platform_credential=True,
                source="provider", status="finished", finish_reason="stop", lines=LINES,
            )  # fmt: skip
            tally.add()

    async def all_clients() -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(clients):
                group.create_task(client())

    asyncio.run(all_clients())


def by_functions(payer: UUID, creator: UUID, clients: int, tally: Tally) -> None:
    """The product's functions without its groups."""

    def client(_: int) -> None:
        with psycopg.connect(**{**connection.address(), "options": ""}, autocommit=True) as session:
            while tally.goes_on:
                id = uuid7()
                hold = (
                    id, payer, id, AMOUNT, "run", "bench", None, None, creator, None, True, None, 60, None, "", None,
                )  # fmt: skip
                session.execute(operations.HOLD.statement, [[value] for value in hold])
                settle = (id, COST, MARKUP, FEE, True, "provider", "finished", "stop", as_json(LINES))
                session.execute(operations.SETTLE.statement, [[value] for value in settle])
                tally.add()

    _in_threads(client, clients)


def by_orm(payer: UUID, creator: UUID, clients: int, tally: Tally) -> None:
    """The same rows, written by the ORM."""
    accounts = _copied(payer, creator)

    def client(_: int) -> None:
        with connections["owner"].cursor() as cursor:
            cursor.execute("SET search_path = bench, public")
        with platform_context(reason="bench"):
            while tally.goes_on:
                id = uuid7()
                with transaction.atomic("owner"):
                    _hold(id, payer, creator, accounts["wallet"])
                with transaction.atomic("owner"):
                    _settle(id, payer, creator, accounts)
                tally.add()
        connections["owner"].close()

    _in_threads(client, clients)


def by_commits(payer: UUID, creator: UUID, clients: int, tally: Tally) -> None:
    """Two commits of a row each, from one client: what the disk takes."""
    owner = connections["owner"]
    with owner.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE IF NOT EXISTS bench_commit (id bigserial PRIMARY KEY, at timestamptz DEFAULT now())"
        )
        while tally.goes_on:
            cursor.execute("INSERT INTO bench_commit DEFAULT VALUES")
            cursor.execute("INSERT INTO bench_commit DEFAULT VALUES")
            tally.add()


WAYS: dict[str, Callable[[UUID, UUID, int, Tally], None]] = {
    "committer": by_committer, "alone": by_functions, "orm": by_orm, "commit": by_commits,
}  # fmt: skip


def _copied(payer: UUID, creator: UUID) -> dict[str, int]:
    """Tables of the same shape, indexes and checks, without triggers; the ids of the accounts that move."""
    with psycopg.connect(**{**connection.address(), "user": "postgres", "options": ""}, autocommit=True) as superuser:
        superuser.execute("CREATE SCHEMA IF NOT EXISTS bench AUTHORIZATION robutler_owner")
    with platform_context(reason="bench"), connections["owner"].cursor() as cursor:
        for table in COPIED:
            cursor.execute(f"CREATE TABLE IF NOT EXISTS bench.billing_{table} (LIKE billing_{table} INCLUDING ALL)")
        cursor.execute("INSERT INTO bench.billing_account SELECT * FROM billing_account ON CONFLICT DO NOTHING")
        cursor.execute(
            "SELECT kind, id FROM billing_account WHERE organization_id IS NULL OR organization_id = %s "
            "AND kind = 'wallet' OR organization_id = %s AND kind = 'creator_earnings'",
            (payer, creator),
        )
        return dict(cursor.fetchall())


def _hold(id: UUID, payer: UUID, creator: UUID, wallet_id: int) -> None:
    wallet = Account.objects.using("owner").select_for_update().get(pk=wallet_id)
    if wallet.available < AMOUNT:
        raise RuntimeError("The wallet is empty.")
    Charge.objects.using("owner").create(
        id=id, organization_id=payer, run_id=id, kind="run", status="authorized", reference="bench",
        beneficiary_id=creator, platform_credential=True,
    )  # fmt: skip
    Hold.objects.using("owner").create(
        id=id, organization_id=payer, account_id=wallet_id, charge_id=id, amount=AMOUNT, state="open",
        expires_at=timezone.now(), ancestors=[],
    )  # fmt: skip
    wallet.debits_pending += AMOUNT
    wallet.save(using="owner", update_fields=["debits_pending"])


def _settle(id: UUID, payer: UUID, creator: UUID, accounts: dict[str, int]) -> None:
    total, now = COST + MARKUP + FEE, timezone.now()
    hold = Hold.objects.using("owner").select_for_update().get(pk=id)
    wallet = Account.objects.using("owner").select_for_update().get(pk=accounts["wallet"])
    Settlement.objects.using("owner").create(
        hold_id=id, organization_id=payer, beneficiary_id=creator, platform_credential=True, source="provider",
        late=False, cost=COST, markup=MARKUP, fee=FEE, reserved=AMOUNT, overrun=0, charged=total,
        creator_share=MARKUP, platform_share=COST + FEE, loss=0,
    )  # fmt: skip
    hold.state, hold.closed_at = "settled", now
    hold.save(using="owner", update_fields=["state", "closed_at"])
    group = TransferGroup.objects.using("owner").create(
        key=f"settlement:{id}", kind="settlement", organization_id=payer, charge_id=id, hold_id=id
    )
    moved = (
        ("wallet", "platform_revenue", COST + FEE), ("wallet", "creator_earnings", MARKUP),
        ("provider_cost", "provider_payable", COST),
    )  # fmt: skip
    for line, (debit, credit_to, amount) in enumerate(moved, start=1):
        Transfer.objects.using("owner").create(
            group=group, line=line, debit_id=accounts[debit], credit_id=accounts[credit_to], amount=amount
        )
    wallet.debits_pending -= AMOUNT
    wallet.debits_posted += total
    wallet.save(using="owner", update_fields=["debits_pending", "debits_posted"])
    Charge.objects.using("owner").filter(pk=id).update(status="finished", finish_reason="stop", finished_at=now)
    for number, each in enumerate(LINES, start=1):
        UsageLine.objects.using("owner").create(
            organization_id=payer, charge_id=id, hold_id=id, number=number, part=each.part, sku=each.sku,
            unit=each.unit, quantity=each.quantity, price_pico=each.price_pico, amount_pico=each.amount_pico,
            source=each.source, billable=True, reason="", attempt=1, upstream_request_id="",
        )  # fmt: skip


def _in_threads(client: Callable[[int], None], clients: int) -> None:
    with ThreadPoolExecutor(clients) as pool:
        for done in [pool.submit(client, number) for number in range(clients)]:
            done.result()


def main() -> None:
    """Do it, and say how it went."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--analyze", action="store_true", help="look at the tables afterwards, as autovacuum does")
    parser.add_argument("--budgets", type=int, default=0, help="how many budgets the payer has")
    asked = parser.parse_args()
    name = str(uuid7())
    payer = create_organization(name="Payer", slug=f"payer-{name}")
    creator = create_organization(name="Creator", slug=f"creator-{name}")
    credit(payer.id)
    with organization_context(payer.id):
        for number in range(asked.budgets):
            budgets.set_budget(
                id=uuid7(), scope="organization", subject="", period=budgets.PERIODS[number % 4], time_zone="UTC",
                limit_nanos=10**15, mode="hard", actor="bench",
            )  # fmt: skip
    tally = Tally(asked.seconds)
    WAYS[asked.way](payer.id, creator.id, asked.clients, tally)
    rates: list[Any] = [tally.by_second.get(second, 0) for second in range(int(asked.seconds))]
    sys.stdout.write(json.dumps({"way": asked.way, "by_second": rates}))
    sys.stdout.flush()
    ledger.drain(timeout_s=1)
    if asked.analyze:
        with connections["owner"].cursor() as cursor:
            cursor.execute("ANALYZE")


if __name__ == "__main__":
    main()
