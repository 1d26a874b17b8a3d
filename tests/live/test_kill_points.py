"""Processes that are killed at one certain step of a run, reached by keeping them waiting there."""

import asyncio
import re
import threading
from collections.abc import Generator
from contextlib import suppress
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from tests import make
from tests.billing import money
from tests.fakes.upstream import Upstream
from tests.live.books import Books
from tests.live.cast import CREDIT_NANOS, PER_RUN_NANOS, Cast, ask, model_on
from tests.live.conftest import Start
from tests.live.server import LiveServer
from tests.live.waiting import eventually
from tests.live.wire import completion

PER_TOKEN_NANOS = 1_000_000
PIECES = 12
ALL_OF_IT = PER_RUN_NANOS + PIECES * PER_TOKEN_NANOS
STREAMS = 20
PACE_MS = 20
AN_INTERVAL = round(1_200 / PACE_MS)
"""Numbers that may have been said since the books last heard of it."""
WALLET = "SELECT FROM billing_account WHERE organization_id = %s AND kind = 'wallet' FOR UPDATE"
WAITING = "SELECT pid FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
LOSE = f"SELECT pg_terminate_backend(waiting.pid, 5000) FROM ({WAITING}) waiting"
"""What a process had asked before it died is not done either."""
ANSWER = "SELECT FROM agents_idempotentanswer WHERE run_id = %s::uuid FOR UPDATE"

_RUN_ID = re.compile(rb"x-robutler-run-id: (\S+)")


@pytest.fixture(scope="module")
def echo(cast: Cast) -> str:
    """The address of an agent whose provider does what it is ordered to."""
    return cast.publish(model=model_on("openai", "echo"))


@pytest.fixture
def payer(database: None) -> Any:
    """An organization that nobody else is waiting for."""
    return make.wallet(make.organization("Payer"), CREDIT_NANOS)


@pytest.fixture
def locks(database_urls: dict[str, str]) -> Generator[psycopg.Connection[Any]]:
    """Keeps rows from everybody else until it is rolled back."""
    with psycopg.connect(database_urls["owner"].replace("robutler_owner", "postgres")) as connection:
        yield connection
        connection.rollback()


def request(payer: Any, address: str, messages: list[Any], **headers: str) -> dict[str, Any]:
    bearer = {"Authorization": f"Bearer {make.key(payer)}", **headers}
    return {"headers": bearer, "json": {"model": address, "messages": messages, "stream": True}, "timeout": 60}


def swept(books: Books, *run_ids: str) -> None:
    """A minute later."""
    books.let_time_pass(run_ids)
    money.sweep()


def rest_of(lines: Any) -> list[str]:
    """What still came before the connection broke."""
    found: list[str] = []
    with suppress(httpx.TransportError):
        found.extend(lines)
    return found


def test_f02_killed_between_its_hold_and_its_question_it_costs_nothing(
    start: Start, books: Books, upstream: Upstream, payer: Any, echo: str
) -> None:
    from billing import ledger

    order = f"count-{PIECES}:mark={uuid4().hex}"
    function = {"name": "look_up", "arguments": "{}"}
    # Before a model is told the result of a call, it is looked up what was said before that call.
    called = [
        {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "type": "function", "function": function}]},
        {"role": "tool", "tool_call_id": "c1", "content": "found"},
    ]
    asked = request(payer, echo, [*ask("Look it up."), *called, *ask(f"/{order}")])

    with start() as doomed, books.locked("agents_storeditem"):
        asking = threading.Thread(target=_ask_in_vain, args=(doomed, asked))
        asking.start()
        is_held = eventually(lambda: books.open_holds(payer.id) == 1, within_s=10)
        doomed.kill()
        asking.join(10)
    held = ledger.balance(payer.id).held
    swept(books, *books.holds_of(payer.id))

    assert is_held
    assert held > 0
    assert order not in [exchange.order for exchange in upstream.exchanges]
    assert ledger.balance(payer.id) == ledger.Balance(posted=CREDIT_NANOS, held=0, available=CREDIT_NANOS)


def test_f03_killed_between_the_last_piece_and_the_settlement_it_costs_what_was_written_down(
    start: Start, books: Books, upstream: Upstream, payer: Any, echo: str, locks: psycopg.Connection[Any]
) -> None:
    pieces, pace_ms = 20, 100
    order = f"count-{pieces}:pace={pace_ms}:mark={uuid4().hex}"
    asked = request(payer, echo, ask(f"/{order}"))

    with start() as doomed, httpx.stream("POST", f"{doomed.url}/v1/chat/completions", **asked) as response:
        run_id, lines = response.headers["x-robutler-run-id"], response.iter_lines()
        locks.execute(WALLET, [payer.id])
        said = ""
        while f"{pieces - 1} " not in said:  # The last one goes out with the end.
            said += next(lines)
        is_over = upstream.wait(lambda log: any(each.order == order and each.finished_at for each in log.exchanges))
        doomed.kill()
        rest = rest_of(lines)
        written, is_settled = books.accrued(run_id), books.is_settled(run_id)
    locks.execute(LOSE)
    locks.rollback()
    swept(books, run_id)

    assert (is_over, is_settled) == (True, False)
    assert "data: [DONE]" not in rest
    assert counted(pieces - round(1_200 / pace_ms)) * PER_TOKEN_NANOS <= written
    assert written <= PER_RUN_NANOS + counted(pieces) * PER_TOKEN_NANOS
    assert books.charged(run_id) == written
    assert books.balance()


def test_f04_killed_between_the_settlement_and_the_last_bytes_it_costs_all_of_it_once(
    start: Start, live: LiveServer, books: Books, payer: Any, echo: str, locks: psycopg.Connection[Any]
) -> None:
    from billing import ledger

    key = str(uuid4())
    asked = request(payer, echo, ask(f"/count-{PIECES}:pace=50"), **{"Idempotency-Key": key})

    with start() as doomed, httpx.stream("POST", f"{doomed.url}/v1/chat/completions", **asked) as response:
        run_id, lines = response.headers["x-robutler-run-id"], response.iter_lines()
        # The answer is kept for its key after the settlement, and before its last bytes are sent.
        locks.execute(ANSWER, [run_id])
        first = next(lines)
        is_there = eventually(lambda: locks.execute(WAITING).fetchone() is not None, within_s=10)
        is_settled = books.is_settled(run_id)
        doomed.kill()
        rest = rest_of(lines)
    locks.rollback()
    left = ledger.balance(payer.id)
    swept(books, run_id)
    told: list[httpx.Response] = []

    def is_told_again() -> bool:
        told.append(httpx.post(f"{live.url}/v1/chat/completions", **asked))
        return told[-1].status_code == 200

    is_told = eventually(is_told_again, within_s=10)

    assert first
    assert (is_there, is_settled) == (True, True)
    assert "data: [DONE]" not in rest
    assert books.charged(run_id) == ALL_OF_IT
    assert left == ledger.Balance(posted=CREDIT_NANOS - ALL_OF_IT, held=0, available=CREDIT_NANOS - ALL_OF_IT)
    assert is_told
    assert (told[-1].headers["idempotent-replayed"], told[-1].headers["x-robutler-run-id"]) == ("true", run_id)
    assert told[-1].text.endswith("data: [DONE]\n\n")
    assert ledger.balance(payer.id) == left


def test_f06_told_to_stop_and_killed_a_second_later_it_costs_what_was_written_down(
    start: Start, books: Books, payer: Any, echo: str
) -> None:
    body = {"model": echo, "stream": True, "messages": ask(f"/count-400:pace={PACE_MS}")}
    asked = completion(make.key(payer), body, Connection="close").encode()

    with start() as doomed:
        heard = asyncio.run(_told_to_stop_and_killed(doomed, asked))
    run_ids = [found[1].decode() for said in heard if (found := _RUN_ID.search(said))]
    was_open = [books.is_closed(run_id) for run_id in run_ids]
    swept(books, *run_ids)

    assert len(run_ids) == STREAMS
    assert not any(was_open)
    for run_id, said in zip(run_ids, heard, strict=True):
        pieces = said.count(b'"content":"') - said.count(b'"content":""')
        charged = books.charged(run_id) // PER_TOKEN_NANOS
        assert counted(pieces - AN_INTERVAL) <= charged <= counted(pieces + AN_INTERVAL)
    assert books.balance()


def counted(upto: int) -> int:
    """The tokens of `1 2 3 …`, four bytes each."""
    return -(-len("".join(f"{i} " for i in range(1, upto + 1))) // 4)


def _ask_in_vain(live: LiveServer, asked: dict[str, Any]) -> None:
    with suppress(httpx.TransportError):
        httpx.post(f"{live.url}/v1/chat/completions", **asked)


async def _told_to_stop_and_killed(doomed: LiveServer, asked: bytes) -> list[bytes]:
    """What each of many readers heard before the end."""
    begun = asyncio.Barrier(STREAMS + 1)

    async def read() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", doomed.port)
        writer.write(asked)
        heard = await reader.readuntil(b'"content":"1 "')
        await begun.wait()
        with suppress(ConnectionError):
            while piece := await reader.read(65_536):
                heard += piece
        writer.close()
        return heard

    async with asyncio.TaskGroup() as group:
        readers = [group.create_task(read()) for _ in range(STREAMS)]
        await begun.wait()
        doomed.terminate()
        await asyncio.sleep(1)
        await asyncio.to_thread(doomed.kill)
    return [reader.result() for reader in readers]
