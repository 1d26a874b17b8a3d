"""The ledger when its database is slow, silent, cut off, full, or locked by somebody: an answer for all, money once."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from django.db import connections
from psycopg import sql

from billing import committer, connection, ledger, operations, spool
from billing.errors import BillingBusy, BillingError, BillingUnavailable, LedgerRefused
from tenants.models import Organization
from tests import make
from tests.billing import money
from tests.fakes.fault_proxy import FaultProxy

LOCKED = "SELECT FROM billing_account WHERE organization_id = %s AND kind = 'wallet' FOR UPDATE"


@pytest.fixture
def wire(database: None, monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path) -> Iterator[FaultProxy]:
    """What lies between the ledger and its database."""
    settings.ROBUTLER = settings.ROBUTLER.model_copy(update={"spool_dir": tmp_path / "spool", "ledger_stall_s": 0.5})
    known, place = connection.address, connections.databases["default"]
    ledger.drain()
    spool._spool_of.cache_clear()
    with FaultProxy(f"{place['HOST']}/.s.PGSQL.{place['PORT'] or 5432}") as proxy:
        monkeypatch.setattr(connection, "address", lambda: {**known(), "host": "127.0.0.1", "port": proxy.port})
        yield proxy
        monkeypatch.undo()
        ledger.drain()
        spool._spool_of.cache_clear()


async def _held(payer: UUID, amount: int = 1, *, id: UUID | None = None) -> ledger.HoldResult | BillingError:
    id = id or uuid4()
    try:
        return await ledger.hold(
            id=id, payer=payer, run_id=id, amount_nanos=amount, reference="r", price=money.PLATFORM_PAYS,
            beneficiary=None,
        )  # fmt: skip
    except BillingError as error:
        return error


async def _settled(id: UUID, cost: int) -> ledger.Settled:
    return await ledger.settle(
        id=id, cost_nanos=cost, markup_nanos=0, fee_nanos=0, platform_credential=True, source="provider",
        status="finished",
    )  # fmt: skip


async def _all(work: list[Any]) -> list[Any]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(each) for each in work]
    return [task.result() for task in tasks]


def _until(holds: Any) -> None:
    deadline = time.monotonic() + 15
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _kinds(outcomes: list[Any]) -> dict[str, int]:
    names = [type(outcome).__name__ for outcome in outcomes]
    return {name: names.count(name) for name in names}


def test_f16_connections_that_are_cut_lose_nothing_and_double_nothing(acme: Organization, wire: FaultProxy) -> None:
    ids = [money.hold(make.wallet(acme, 100), 10) for _ in range(20)]

    async def work() -> list[Any]:
        settling = [asyncio.create_task(_settled(id, 7)) for id in ids]
        for _ in range(5):
            await asyncio.sleep(0.01)
            wire.cut()
        return [await task for task in settling]

    money.run(work())
    _until(lambda: not ledger.waiting())

    assert ledger.balance(acme.id) == ledger.Balance(posted=2_000 - 140, held=0, available=2_000 - 140)
    assert money.broken_rules() == {}


@pytest.mark.parametrize("end", ["settle", "release"])
def test_f17_what_was_committed_before_its_answer_was_lost_counts_once(
    end: str, acme: Organization, wire: FaultProxy
) -> None:
    id = money.hold(make.wallet(acme, 100), 10)

    wire.loses_next_answer = True
    opened = money.run(_held(acme.id, 10, id=(other := uuid4())))
    wire.loses_next_answer = True
    if end == "settle":
        assert not money.settle(id, cost=7).deferred
    else:
        money.release(id)

    assert opened == ledger.HoldResult(id=other, amount_nanos=10, repeated=False)
    assert ledger.balance(acme.id).posted == (93 if end == "settle" else 100)
    assert ledger.balance(acme.id).held == 10
    assert money.broken_rules() == {}


def test_f17_a_group_of_several_kinds_whose_commit_was_not_heard_of_counts_once(
    acme: Organization, wire: FaultProxy, database_urls: Mapping[str, str]
) -> None:
    ids = [money.hold(make.wallet(acme, 100), 10) for _ in range(4)]

    async def work() -> list[Any]:
        with money.connect(database_urls["owner"]) as other, other.transaction():
            other.execute(LOCKED, (acme.id,))
            first = asyncio.create_task(_held(acme.id))
            await asyncio.sleep(0.1)
            rest = [asyncio.create_task(_settled(id, 7)) for id in ids]
            rest += [asyncio.create_task(_held(acme.id, 3)) for _ in range(4)]  # type: ignore[arg-type]
            await asyncio.sleep(0.05)
        await first
        wire.latency_s, wire.loses_next_answer = 0.0, True
        return [await task for task in rest]

    outcomes = money.run(work())

    assert _kinds(outcomes) == {"Settled": 4, "HoldResult": 4}
    assert ledger.balance(acme.id) == ledger.Balance(posted=400 - 28, held=13, available=400 - 41)
    assert money.broken_rules() == {}


def test_f18_a_slow_database_is_waited_for(acme: Organization, wire: FaultProxy) -> None:
    make.wallet(acme, 1_000)
    wire.latency_s = 0.3

    async def work() -> list[Any]:
        return await _all([_pair(acme.id) for _ in range(20)])

    outcomes = money.run(work())

    assert [outcome.charged_nanos for outcome in outcomes] == [1] * 20
    assert not any(outcome.deferred for outcome in outcomes)


async def _pair(payer: UUID) -> ledger.Settled:
    held = await _held(payer, 5)
    assert isinstance(held, ledger.HoldResult)
    return await _settled(held.id, 1)


def test_f19_a_silent_database_is_away_soon_and_what_ends_meanwhile_is_written_when_it_speaks_again(
    acme: Organization, wire: FaultProxy
) -> None:
    id = money.hold(make.wallet(acme, 1_000), 100)

    async def work() -> tuple[list[Any], list[float], ledger.Settled]:
        wire.swallow()
        begun = time.monotonic()
        outcomes, moments = [await _held(acme.id)], [time.monotonic() - begun]
        outcomes.append(await _held(acme.id))
        moments.append(time.monotonic() - begun - moments[0])
        ended = await _settled(id, 60)
        wire.pass_on()
        await asyncio.to_thread(_until, lambda: not ledger.waiting())
        outcomes.append(await _held(acme.id))
        # What was under way is given back, as nobody waits for it.
        await asyncio.to_thread(_until, lambda: ledger.balance(acme.id).held == 1)
        return outcomes, moments, ended

    (refused, again, back), (waited, at_once), ended = money.run(work())

    assert [type(each) for each in (refused, again)] == [BillingUnavailable] * 2
    assert isinstance(back, ledger.HoldResult)
    assert ended.deferred
    assert at_once < waited < connection.STATEMENT_TIMEOUT_MS / 1_000
    assert ledger.balance(acme.id).posted == 940
    assert money.broken_rules() == {}


def test_f19_a_connection_that_stays_silent_is_given_up_for_another(
    acme: Organization, wire: FaultProxy, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(committer, "RETIRE_S", 1.0)
    make.wallet(acme, 1_000)
    money.hold(acme, 1)
    before = wire.connections

    wire.swallow()
    assert isinstance(money.run(_held(acme.id)), BillingUnavailable)
    _until(lambda: "another connection is tried" in caplog.text)
    wire.pass_on()

    _until(lambda: isinstance(money.run(_held(acme.id)), ledger.HoldResult))
    assert wire.connections > before
    assert money.broken_rules() == {}


def test_f20_a_locked_wallet_keeps_nobody_else_waiting(
    acme: Organization, globex: Organization, wire: FaultProxy, database_urls: Mapping[str, str]
) -> None:
    ours = money.hold(make.wallet(acme, 1_000), 100)
    theirs = [money.hold(make.wallet(globex, 1_000), 10) for _ in range(5)]

    with money.connect(database_urls["owner"]) as staff, staff.transaction():
        staff.execute(LOCKED, (acme.id,))
        outcomes = money.run(
            _all(
                [_held(acme.id), _settled(ours, 60), _held(globex.id), *(_settled(id, 3) for id in theirs)]
                + [_held(acme.id) for _ in range(20)]
            )
        )
        later = money.run(_all([_held(acme.id), _held(globex.id)]))

    assert [type(each) for each in outcomes[:1] + outcomes[8:]] == [BillingBusy] * 21
    assert outcomes[1].deferred
    assert isinstance(outcomes[2], ledger.HoldResult)
    assert [each.charged_nanos for each in outcomes[3:8]] == [3] * 5
    assert [type(each) for each in later] == [BillingBusy, ledger.HoldResult]
    _until(lambda: not ledger.waiting())
    assert ledger.balance(acme.id) == ledger.Balance(posted=940, held=0, available=940)
    assert money.broken_rules() == {}


def test_f10_a_process_that_stands_still_in_a_transaction_keeps_no_wallet_locked(acme: Organization) -> None:
    make.wallet(acme, 1_000)

    with psycopg.connect(**connection.address()) as stopped:
        stopped.execute(operations.LOCK.encode(), ([], [acme.id], [], [], [], [], []))
        at_once = money.run(_held(acme.id))
        time.sleep(1.2 * connection.IDLE_TIMEOUT_MS / 1_000)
        later = money.run(_held(acme.id))
        stopped.close()

    assert isinstance(at_once, BillingBusy)
    assert isinstance(later, ledger.HoldResult)


def test_f21_without_a_free_connection_nothing_begins_and_nothing_is_lost(
    acme: Organization, wire: FaultProxy, database_urls: Mapping[str, str]
) -> None:
    id = money.hold(make.wallet(acme, 1_000), 100)
    name = connections.databases["default"]["NAME"]

    def allow(most: int) -> None:
        with money.connect(money.superuser(database_urls)) as staff:
            staff.execute(sql.SQL("ALTER DATABASE {} CONNECTION LIMIT {}").format(sql.Identifier(name), most))

    allow(0)
    try:
        wire.cut()
        refused, ended = money.run(_all([_held(acme.id), _settled(id, 60)]))
    finally:
        allow(-1)
    _until(lambda: not ledger.waiting())

    assert isinstance(refused, BillingUnavailable)
    assert ended.deferred
    assert ledger.balance(acme.id) == ledger.Balance(posted=940, held=0, available=940)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (psycopg.errors.DiskFull, BillingUnavailable),
        (psycopg.errors.ReadOnlySqlTransaction, BillingUnavailable),
        (psycopg.errors.DeadlockDetected, BillingBusy),
        (psycopg.errors.SerializationFailure, BillingBusy),
        (psycopg.errors.CheckViolation, LedgerRefused),
    ],
)
def test_f14_f22_what_the_database_says_of_itself_is_not_taken_for_a_fault_of_the_payer(
    error: type[psycopg.Error], kind: type[BillingError], acme: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    make.wallet(acme, 10)

    def refuse(*_: Any) -> Any:
        raise error("injected")

    monkeypatch.setattr(connection.Connection, "send", refuse)
    outcome = money.run(_held(acme.id))
    monkeypatch.undo()

    assert type(outcome) is kind
    assert isinstance(money.run(_held(acme.id)), ledger.HoldResult)


def test_c14_of_512_of_which_one_is_poison_511_are_held(acme: Organization) -> None:
    make.wallet(acme, 1_000)

    outcomes = money.run(_all([_held(acme.id, -5 if nth == 300 else 1) for nth in range(512)]))

    assert _kinds(outcomes) == {"HoldResult": 511, "LedgerRefused": 1}
    assert ledger.balance(acme.id).held == 511
