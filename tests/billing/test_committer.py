"""The committer: groups, bad items, lost connections, locks, queues, forks and the end."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connections

from billing import committer, connection, ledger, operations
from billing.errors import BillingBusy, BillingError, BillingUnavailable, InsufficientFunds, LedgerRefused
from billing.pricing import Rated
from billing.rating import MOST_NANOS
from tenants.models import Organization
from tests import make
from tests.billing import money

NOBODYS_LOCK = "SELECT FROM billing_account WHERE organization_id = %s AND kind = 'wallet' FOR UPDATE"


def _hold(payer: UUID, amount: int = 1, *, id: UUID | None = None, reference: str = "r") -> Any:
    id = id or uuid4()
    return ledger.hold(
        id=id,
        payer=payer,
        run_id=id,
        amount_nanos=amount,
        reference=reference,
        price=money.PLATFORM_PAYS,
        beneficiary=None,
    )


async def _outcome(work: Any) -> Any:
    try:
        return await work
    except BillingError as error:
        return error


async def _outcomes(work: list[Any]) -> list[Any]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_outcome(each)) for each in work]
    return [task.result() for task in tasks]


async def _gathered(payer: UUID, urls: Mapping[str, str], work: list[Any]) -> list[Any]:
    """The outcomes of work that gathers while the committer waits for a lock on the payer's wallet."""
    waiting = (
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'robutler-ledger' AND wait_event_type = 'Lock'"
        " AND datname = current_database()"
    )
    with money.connect(urls["owner"]) as other, money.connect(money.superuser(urls)) as watcher:
        async with asyncio.TaskGroup() as group:
            with other.transaction():
                other.execute(NOBODYS_LOCK, (payer,))
                tasks = [group.create_task(_outcome(_hold(payer)))]
                while watcher.execute(waiting).fetchone() == (0,):  # noqa: ASYNC110 - nobody tells us
                    await asyncio.sleep(0.01)
                tasks += [group.create_task(_outcome(each)) for each in work]
                await asyncio.sleep(0)
    return [task.result() for task in tasks]


def _kinds(outcomes: list[Any]) -> dict[str, int]:
    names = [type(outcome).__name__ for outcome in outcomes]
    return {name: names.count(name) for name in names}


@pytest.mark.parametrize(
    "poison",
    [
        {"amount": -5},
        {"reference": "a\0b"},
        {"reference": "\ud800"},
    ],
    ids=["below zero", "a NUL", "a lone surrogate"],
)
def test_one_bad_item_does_not_hold_back_the_others(poison: dict[str, Any], acme: Organization) -> None:
    make.wallet(acme, 1_000)

    outcomes = money.run(_outcomes([_hold(acme.id) for _ in range(30)] + [_hold(acme.id, **poison)] + [_hold(acme.id)]))

    assert _kinds(outcomes) == {"HoldResult": 31, "LedgerRefused": 1}
    assert isinstance(outcomes[30], LedgerRefused)
    assert ledger.balance(acme.id).held == 31


def test_what_arrives_while_a_transaction_is_on_its_way_goes_out_as_one(
    acme: Organization, database_urls: Mapping[str, str]
) -> None:
    make.wallet(acme, 1_000)
    ids = [money.hold(acme, 10) for _ in range(10)]

    work = [
        *(_hold(acme.id) for _ in range(10)),
        *(ledger.extend(id=id, amount_nanos=12) for id in ids[:2]),
        *(ledger.release(id=id, status="failed") for id in ids[2:4]),
        *(_settled(id) for id in ids[4:]),
    ]
    outcomes = money.run(_gathered(acme.id, database_urls, work))

    assert _kinds(outcomes) == {"HoldResult": 11, "NoneType": 4, "Settled": 6}
    with money.connect(database_urls["owner"]) as database:
        query = "SELECT count(DISTINCT xmin::text) FROM billing_charge WHERE organization_id = %s AND id <> ALL (%s)"
        assert database.execute(query, (acme.id, ids)).fetchone() == (2,)
    assert money.broken_rules() == {}


async def _settled(id: UUID) -> ledger.Settled:
    return await ledger.settle(
        id=id, cost_nanos=3, markup_nanos=0, fee_nanos=0, platform_credential=True, source="counted", status="finished"
    )


def test_what_is_asked_of_one_hold_happens_in_the_order_asked(
    acme: Organization, database_urls: Mapping[str, str]
) -> None:
    make.wallet(acme, 1_000)
    id = uuid4()

    work = [_hold(acme.id, 5, id=id), ledger.release(id=id, status="cancelled"), _hold(acme.id)]
    outcomes = money.run(_gathered(acme.id, database_urls, work))

    assert _kinds(outcomes) == {"HoldResult": 3, "NoneType": 1}
    assert money.state(id) == ("released", "cancelled")


def test_a_lost_connection_is_replaced_and_nothing_happens_twice(
    acme: Organization, database_urls: Mapping[str, str]
) -> None:
    make.wallet(acme, 1_000)
    money.hold(acme, 1)
    with money.connect(money.superuser(database_urls)) as database:
        database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'robutler-ledger'"
            " AND datname = current_database()"
        )

    id = uuid4()
    result = money.run(_hold(acme.id, 5, id=id))

    assert result == ledger.HoldResult(id=id, amount_nanos=5, repeated=False)
    assert ledger.balance(acme.id).held == 6


def test_a_hold_whose_answer_was_lost_is_a_new_one_all_the_same(
    acme: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    make.wallet(acme, 1_000)
    ledger.drain()

    class Forgetful(committer.Committer):
        lost = False

        def _send(self, items: Any, *, retried: bool) -> None:
            super()._send(items, retried=retried)
            if not self.lost:
                self.lost = True
                for item in items:
                    item.outcome = None
                self._connection.close()
                raise connection.ConnectionLost

    monkeypatch.setattr(committer, "_committer", Forgetful())
    id = uuid4()
    first, again = money.run(_hold(acme.id, 5, id=id)), money.run(_hold(acme.id, 5, id=id))

    assert (first.repeated, again.repeated) == (False, True)
    assert ledger.balance(acme.id).held == 5
    assert ledger.drain()


def test_a_database_that_is_away_is_said_so(acme: Organization, database: None) -> None:
    make.wallet(acme, 10)
    ledger.drain()
    settings = connections.databases["default"]
    known, settings["HOST"] = settings["HOST"], "/nowhere"
    try:
        with pytest.raises(BillingUnavailable):
            money.run(_hold(acme.id))
    finally:
        settings["HOST"] = known

    assert money.run(_hold(acme.id)).repeated is False


def test_a_database_host_that_vanishes_is_noticed_soon() -> None:
    for options in (settings["OPTIONS"] for settings in connections.databases.values()):
        assert options["keepalives_idle"] + options["keepalives_interval"] * options["keepalives_count"] <= 20
        assert options["tcp_user_timeout"] == 20_000
    assert connection.address()["tcp_user_timeout"] == 20_000


def test_a_wallet_that_is_locked_for_long_is_busy_and_the_others_are_served(
    acme: Organization, globex: Organization, database_urls: Mapping[str, str]
) -> None:
    for each in (acme, globex):
        make.wallet(each, 100)

    with money.connect(database_urls["owner"]) as other, other.transaction():
        other.execute(NOBODYS_LOCK, (acme.id,))
        outcomes = money.run(_outcomes([_hold(acme.id), _hold(globex.id)]))

    assert [type(outcome) for outcome in outcomes] == [BillingBusy, ledger.HoldResult]


def test_a_full_queue_refuses_at_once(
    acme: Organization, database_urls: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make.wallet(acme, 1_000)
    monkeypatch.setattr(committer, "QUEUE_ROWS", 60)

    work = [_hold(acme.id) for _ in range(100)]
    outcomes = money.run(_gathered(acme.id, database_urls, work))

    assert _kinds(outcomes) == {"HoldResult": 61, "BillingBusy": 40}


@pytest.mark.parametrize("leave", ["times out", "is cancelled"])
def test_what_nobody_waits_for_any_more_is_not_held(
    leave: str, acme: Organization, database_urls: Mapping[str, str], settings: Any
) -> None:
    held = money.hold(make.wallet(acme, 100), 1)
    if leave == "times out":
        settings.ROBUTLER = settings.ROBUTLER.model_copy(update={"ledger_answer_s": 0.3})
    under_way, queued = uuid4(), uuid4()

    async def work() -> list[Any]:
        with money.connect(database_urls["owner"]) as other, other.transaction():
            other.execute(NOBODYS_LOCK, (acme.id,))
            tasks = [asyncio.create_task(_outcome(_hold(acme.id, 10, id=under_way)))]
            await asyncio.sleep(0.1)
            tasks += [asyncio.create_task(_outcome(_hold(acme.id, 20, id=queued)))]
            tasks += [asyncio.create_task(_outcome(ledger.extend(id=held, amount_nanos=40)))]
            await asyncio.sleep(0)
            if leave == "is cancelled":
                for task in tasks:
                    task.cancel()
            await asyncio.wait(tasks)
        settings.ROBUTLER = settings.ROBUTLER.model_copy(update={"ledger_answer_s": 12.0})
        await _hold(acme.id, 2)  # behind all of them
        while ledger_rows(under_way) in ([], ["open"]):  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(0.01)
        return [task.cancelled() or type(task.result()) for task in tasks]

    def ledger_rows(*ids: UUID) -> list[str]:
        with money.connect(database_urls["owner"]) as database:
            return [
                state
                for (state,) in database.execute("SELECT state FROM billing_hold WHERE id = ANY (%s)", (list(ids),))
            ]

    outcomes = money.run(work())

    assert outcomes == [True if leave == "is cancelled" else BillingUnavailable] * 3
    assert ledger_rows(under_way, queued) == ["released"]
    assert ledger.balance(acme.id).held == 3


def test_who_stops_waiting_leaves_the_others_alone(acme: Organization) -> None:
    make.wallet(acme, 100)

    async def work() -> list[Any]:
        gone = asyncio.create_task(_hold(acme.id))
        await asyncio.sleep(0)
        gone.cancel()
        return await _outcomes([_hold(acme.id) for _ in range(5)])

    assert _kinds(money.run(work())) == {"HoldResult": 5}


def test_draining_answers_what_was_asked_and_the_next_one_starts_afresh(acme: Organization) -> None:
    make.wallet(acme, 100)

    async def work() -> tuple[list[Any], bool]:
        asked = [asyncio.create_task(_outcome(_hold(acme.id))) for _ in range(20)]
        await asyncio.sleep(0)
        drained = await asyncio.to_thread(ledger.drain)
        return [await task for task in asked], drained

    outcomes, drained = money.run(work())

    assert drained
    assert _kinds(outcomes) == {"HoldResult": 20}
    assert not [thread for thread in threading.enumerate() if thread.name == "ledger-committer"]
    assert money.run(_hold(acme.id)).repeated is False


def test_a_committer_that_was_stopped_takes_nothing_more(database: None) -> None:
    stopped = committer.Committer()
    assert stopped.stop(timeout_s=5)

    async def work() -> None:
        loop = asyncio.get_running_loop()
        stopped.submit(
            committer.Item(
                operation=operations.RELEASE, rows=((uuid4(), "failed"),), future=loop.create_future(), loop=loop
            )
        )

    with pytest.raises(BillingUnavailable):
        money.run(work())


def test_a_thread_that_dies_leaves_nobody_waiting(acme: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    make.wallet(acme, 100)
    died: list[str] = []
    monkeypatch.setattr(threading, "excepthook", lambda dead: died.append(dead.exc_type.__name__))
    ledger.drain()

    class Broken(committer.Committer):
        def _send(self, items: Any, *, retried: bool) -> None:
            raise KeyError("a fault in the code")

    monkeypatch.setattr(committer, "_committer", Broken())
    with pytest.raises(BillingUnavailable):
        money.run(_hold(acme.id))
    assert money.run(_hold(acme.id)).repeated is False
    assert died == ["KeyError"]


def test_a_forked_process_has_a_committer_of_its_own(acme: Organization) -> None:
    make.wallet(acme, 100)
    money.hold(acme, 1)

    committer._starting.acquire()  # as a thread may have, which stays behind in the parent
    child = os.fork()
    if child == 0:
        try:
            money.run(_hold(acme.id))
            os._exit(0 if ledger.drain() else 1)
        finally:
            os._exit(1)
    committer._starting.release()
    deadline = time.monotonic() + 20
    while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0) and time.monotonic() < deadline:
        time.sleep(0.05)
    if ended == (0, 0):
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)

    assert ended == (child, 0)
    assert ledger.balance(acme.id).held == 2


def test_a_great_many_checkpoints_go_out_in_pieces(acme: Organization) -> None:
    make.wallet(acme, 10_000)
    ids = [uuid4() for _ in range(committer.BATCH_ROWS + 10)]
    money.run(_outcomes([_hold(acme.id, 5, id=id) for id in ids]))

    money.run(ledger.checkpoint({id: Rated(cost_nanos=2, markup_nanos=0, fee_nanos=0) for id in ids}))
    money.expire(*ids)
    money.sweep()

    assert ledger.balance(acme.id).posted == 10_000 - 2 * len(ids)


def test_one_bad_checkpoint_does_not_let_the_holds_of_the_others_expire(acme: Organization) -> None:
    make.wallet(acme, 1_000)
    ids = sorted(money.hold(acme, 10) for _ in range(7))
    spent = {id: Rated(cost_nanos=3, markup_nanos=0, fee_nanos=0) for id in ids}
    spent[ids[2]] = Rated(cost_nanos=3, markup_nanos=2**63, fee_nanos=0)
    spent[ids[4]] = Rated(cost_nanos=3, markup_nanos=MOST_NANOS + 1, fee_nanos=0)
    money.expire(*ids)

    with pytest.raises(LedgerRefused, match="2 holds"):
        money.run(ledger.checkpoint(spent))

    money.sweep()
    states = [money.state(id)[0] for id in ids]
    assert states == ["open", "open", "expired", "open", "expired", "open", "open"]


def test_more_than_any_wallet_can_have_is_more_than_this_one_has(acme: Organization) -> None:
    id = money.hold(make.wallet(acme, 1_000), 600)

    with pytest.raises(InsufficientFunds) as refusal:
        money.run(_hold(acme.id, 2**70))
    with pytest.raises(InsufficientFunds):
        money.run(ledger.extend(id=id, amount_nanos=2**70))

    assert (refusal.value.required_nanos, refusal.value.available_nanos, refusal.value.held_nanos) == (2**70, 400, 600)


def test_a_refusal_is_an_answer_and_not_an_error_of_the_batch(acme: Organization) -> None:
    make.wallet(acme, 3)

    outcomes = money.run(_outcomes([_hold(acme.id, amount) for amount in (2, 2, 1)]))

    assert [type(outcome) for outcome in outcomes] == [ledger.HoldResult, InsufficientFunds, ledger.HoldResult]
