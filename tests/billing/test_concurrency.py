"""Many at once: exactly as many holds as a wallet can pay, one end for each hold, and books that balance."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from billing import ledger
from billing.errors import InsufficientFunds
from billing.operations import EXTEND, HOLD, SETTLE
from tenants.models import Organization
from tests import make
from tests.billing import money


async def _served(payer: UUID) -> bool:
    id = uuid4()
    try:
        await ledger.hold(
            id=id, payer=payer, run_id=id, amount_nanos=1, reference="r", price=money.PLATFORM_PAYS, beneficiary=None
        )
    except InsufficientFunds:
        return False
    await asyncio.sleep(0)
    await ledger.settle(
        id=id, cost_nanos=0, markup_nanos=1, fee_nanos=0, platform_credential=True, source="provider", status="finished"
    )
    return True


async def _all(work: list[Any]) -> list[Any]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(each) for each in work]
    return [task.result() for task in tasks]


def test_of_200_calls_on_a_wallet_for_37_exactly_37_are_served(acme: Organization) -> None:
    make.wallet(acme, 37)

    served = money.run(_all([_served(acme.id) for _ in range(200)]))

    assert served.count(True) == 37
    assert ledger.balance(acme.id) == ledger.Balance(posted=0, held=0, available=0)
    assert money.broken_rules() == {}


def test_many_processes_cannot_overdraw_a_wallet_either(acme: Organization, database_urls: Mapping[str, str]) -> None:
    make.wallet(acme, 37)

    def client(_: int) -> int:
        with money.connect(database_urls["app"]) as database:
            return sum(_try_hold(database, acme.id) for _ in range(10))

    with ThreadPoolExecutor(8) as clients:
        held = sum(clients.map(client, range(8)))

    assert held == 37
    assert ledger.balance(acme.id) == ledger.Balance(posted=37, held=37, available=0)


def test_all_who_settle_the_same_hold_get_the_same_answer(acme: Organization, database_urls: Mapping[str, str]) -> None:
    id = money.hold(make.wallet(acme, 1_000), 500)

    def settle(cost: int) -> Callable[[psycopg.Connection[tuple[Any, ...]]], tuple[Any, ...]]:
        return lambda database: _settle(database, id, cost)

    answers = _at_once([settle(cost) for cost in range(100, 108)], database_urls)

    assert len(set(answers)) == 1
    assert ledger.balance(acme.id).posted == 1_000 - answers[0][2]
    assert money.broken_rules() == {}


def test_what_is_refused_for_its_key_uses_up_nothing_of_its_batch(
    acme: Organization, database_urls: Mapping[str, str]
) -> None:
    money.hold(make.wallet(acme, 100), 10, idempotency_key="known")
    keys_and_amounts = [("known", 60), ("new", 50), ("new", 40), (None, 30), (None, 11), (None, 10)]
    ids = [uuid4() for _ in keys_and_amounts]
    rows = [
        (id, acme.id, id, amount, "run", "r", None, None, None, None, True, key, 60, None, "", None)
        for id, (key, amount) in zip(ids, keys_and_amounts, strict=True)
    ]

    with money.connect(database_urls["app"]) as database:
        outcomes = [row[1] for row in _calls(database, HOLD, rows)]

    assert outcomes == ["duplicate", "held", "duplicate", "held", "insufficient", "held"]
    assert ledger.balance(acme.id).available == 0


@pytest.mark.parametrize("_", range(10))
def test_a_hold_is_extended_before_it_ends_or_not_at_all(
    _: int, acme: Organization, database_urls: Mapping[str, str]
) -> None:
    id = money.hold(make.wallet(acme, 1_000), 500)

    extended, settled = _at_once(
        [
            lambda database: _call(database, EXTEND, (id, 900)),
            lambda database: _settle(database, id, 700),
        ],
        database_urls,
    )

    assert extended[1] in ("extended", "closed")
    assert settled[1:] == ("settled", 700, 0)
    assert ledger.balance(acme.id) == ledger.Balance(posted=300, held=0, available=300)
    assert money.broken_rules() == {}


@pytest.mark.parametrize("_", range(10))
def test_the_sweeper_and_the_run_do_not_both_end_a_hold(
    _: int, acme: Organization, database_urls: Mapping[str, str]
) -> None:
    make.wallet(acme, 1_000)
    spent, unspent = money.hold(acme, 100), money.hold(acme, 100)
    money.checkpoint(spent, cost=40)
    money.expire(spent, unspent)

    _at_once(
        [
            lambda database: database.execute("SELECT billing_sweep(500)").fetchone(),
            lambda database: _settle(database, spent, 60),
            lambda database: _settle(database, unspent, 60),
        ],
        {"app": database_urls["platform"]},
    )

    assert ledger.balance(acme.id).posted in (1_000 - 60 - 60, 1_000 - 40 - 60)
    assert ledger.balance(acme.id).held == 0
    assert money.broken_rules() == {}


def test_batches_that_touch_each_others_wallets_do_not_wait_in_a_circle(database_urls: Mapping[str, str]) -> None:
    payers = [make.wallet(make.organization(), 10_000).id for _ in range(6)]

    def client(seed: int) -> int:
        with money.connect(database_urls["app"]) as database:
            for turn in range(15):
                order = payers if (seed + turn) % 2 else payers[::-1]
                ids = [uuid4() for _ in order]
                _calls(database, HOLD, [_hold_row(id, payer, 10) for id, payer in zip(ids, order, strict=True)])
                _calls(database, SETTLE, [_settle_row(id, 10) for id in reversed(ids)])
        return 15 * len(payers)

    with ThreadPoolExecutor(6) as clients:
        pairs = sum(clients.map(client, range(6)))

    assert sum(10_000 - ledger.balance(payer).posted for payer in payers) == 10 * pairs
    assert money.broken_rules() == {}


def test_the_sweeper_takes_wallets_in_the_order_everybody_does(database_urls: Mapping[str, str]) -> None:
    lower, higher = (make.wallet(make.organization(), 1_000) for _ in range(2))
    idle, spent = money.hold(lower, 10), money.hold(higher, 10)
    money.checkpoint(spent, cost=5)
    money.expire(idle, spent)

    with ThreadPoolExecutor(1) as sweeper, money.connect(database_urls["app"]) as batch:
        with batch.transaction():
            _try_hold(batch, lower.id)
            swept = sweeper.submit(ledger.sweep_expired)
            money.until_blocked(batch.info.backend_pid, database_urls)
            _try_hold(batch, higher.id)
        assert swept.result(10) >= 2

    assert [money.state(id)[0] for id in (idle, spent)] == ["expired", "settled"]
    assert money.broken_rules() == {}


def _at_once(calls: list[Callable[[psycopg.Connection[tuple[Any, ...]]], Any]], urls: Mapping[str, str]) -> list[Any]:
    start = Barrier(len(calls))

    def client(call: Callable[[psycopg.Connection[tuple[Any, ...]]], Any]) -> Any:
        with money.connect(urls["app"]) as database:
            database.execute("SELECT 1")
            start.wait(10)
            return call(database)

    with ThreadPoolExecutor(len(calls)) as clients:
        return list(clients.map(client, calls))


def _try_hold(database: psycopg.Connection[tuple[Any, ...]], payer: UUID) -> bool:
    return bool(_call(database, HOLD, _hold_row(uuid4(), payer, 1))[1] == "held")


def _settle(database: psycopg.Connection[tuple[Any, ...]], id: UUID, cost: int) -> tuple[Any, ...]:
    return _call(database, SETTLE, _settle_row(id, cost))


def _hold_row(id: UUID, payer: UUID, amount: int) -> tuple[Any, ...]:
    return (id, payer, id, amount, "run", "r", None, None, None, None, True, None, 60, None, "", None)


def _settle_row(id: UUID, cost: int) -> tuple[Any, ...]:
    return (id, cost, 0, 0, True, "provider", "finished", "stop", None)


def _call(database: psycopg.Connection[tuple[Any, ...]], operation: Any, row: tuple[Any, ...]) -> tuple[Any, ...]:
    return _calls(database, operation, [row])[0]


def _calls(
    database: psycopg.Connection[tuple[Any, ...]], operation: Any, rows: list[tuple[Any, ...]]
) -> list[tuple[Any, ...]]:
    return database.execute(operation.statement, [list(column) for column in zip(*rows, strict=True)]).fetchall()
