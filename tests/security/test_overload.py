"""Who asks for too much, reads too little, or says nothing at all: the others do not notice."""

import asyncio
import json
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import ExitStack
from functools import partial
from typing import Any

import httpx
import pytest

from tests.fakes.upstream import Upstream
from tests.live.books import Books
from tests.live.cast import PER_RUN_NANOS, Cast, model_on
from tests.live.conftest import Start
from tests.live.crowd import Crowd
from tests.live.load import Load
from tests.live.own_database import OwnDatabase, own_database
from tests.live.server import LiveServer
from tests.live.waiting import eventually
from tests.live.wire import completion, head, line, resident_bytes, status_of

STALL_S = 1.0
CUT_WITHIN_S = 20.0
HI = [{"role": "user", "content": "hi"}]
FAR = {"max_completion_tokens": 1_000_000}
STATIC_FILE = "/static/unfold/css/styles.css"


@pytest.fixture(scope="module")
def hurried(start: Start) -> Generator[LiveServer]:
    """A server that waits for nobody."""
    limits = {"ROBUTLER_WRITE_STALL_S": str(STALL_S), "ROBUTLER_HEAD_S": "1", "ROBUTLER_IDLE_CONNECTION_S": "2"}
    with start(**limits) as running:
        yield running


def ask(address: str, words: str, **fields: Any) -> dict[str, Any]:
    return {"model": address, "messages": [{"role": "user", "content": words}], **fields}


# --- OV-04: a client that never reads ---------------------------------------------------------------------------------


def test_ov_04_a_client_that_never_reads_its_stream(
    hurried: LiveServer, cast: Cast, upstream: Upstream, books: Books
) -> None:
    address = cast.publish(model=model_on("openai", "echo"))
    order = "count-200000:never-read=1"
    with line(hurried) as warm:
        warm.send(completion(cast.globex_key, ask(address, "/count-2000", stream=True), Connection="close"))
        warm.received()
    before = resident_bytes(hurried)

    with line(hurried, receive_buffer=4_096) as connection:
        connection.send(completion(cast.globex_key, ask(address, f"/{order}", stream=True, **FAR)))
        top = connection.socket.recv(1_000)
        most = 0
        until = time.monotonic() + CUT_WITHIN_S
        while not (cut := was_aborted(upstream, order)) and time.monotonic() < until:
            most = max(most, resident_bytes(hurried))
            time.sleep(0.05)
        rest = connection.received()

    run_id = top.partition(b"x-robutler-run-id: ")[2].split(b"\r\n")[0].decode()
    assert cut
    assert b"[DONE]" not in rest
    assert most - before < 8_000_000
    assert eventually(lambda: books.is_closed(run_id), within_s=5)
    assert books.charged(run_id) > PER_RUN_NANOS


def test_ov_04_a_client_that_never_reads_a_whole_answer(hurried: LiveServer, cast: Cast) -> None:
    address = cast.publish(model=model_on("openai", "echo"))
    body = ask(address, "/echo:size=100000 " + "word " * 1_600_000)

    with line(hurried, receive_buffer=4_096) as connection:
        connection.send(completion(cast.globex_key, body))
        top = connection.socket.recv(1_000)
        cut = eventually(lambda: not is_held(hurried, connection.socket), within_s=CUT_WITHIN_S)
        rest = connection.received()

    assert status_of(top) == 200
    assert cut
    assert len(rest) < 8_000_000


def test_ov_04_a_client_that_never_reads_files(hurried: LiveServer) -> None:
    with line(hurried, receive_buffer=4_096) as connection:
        connection.send(head(STATIC_FILE, method="GET") * 40)
        top = connection.socket.recv(1_000)
        cut = eventually(lambda: not is_held(hurried, connection.socket), within_s=CUT_WITHIN_S)

    assert status_of(top) == 200
    assert cut


def test_ov_04_a_client_that_reads_slowly_but_steadily_gets_everything(hurried: LiveServer, cast: Cast) -> None:
    """It needs far longer than a client may stand still."""
    address = cast.publish(model=model_on("openai", "echo"))
    got, tail = 0, b""
    started = time.monotonic()

    with line(hurried, receive_buffer=65_536) as connection:
        connection.send(
            completion(cast.globex_key, ask(address, "/count-30000", stream=True, **FAR), Connection="close")
        )
        for piece in connection.pieces():
            got += len(piece)
            tail = (tail + piece)[-1_000:]
            time.sleep(len(piece) / 800_000)

    assert got > 4_000_000
    assert b"data: [DONE]" in tail
    assert time.monotonic() - started > 2 * STALL_S


# --- OV-05 and BD-20's crowd: connections on which nothing is asked ---------------------------------------------------


@pytest.mark.parametrize("crowd", [200, pytest.param(2_000, marks=pytest.mark.prove)])
def test_ov_05_idle_and_half_open_connections(hurried: LiveServer, crowd: int) -> None:
    with ExitStack() as stack, httpx.Client(base_url=hurried.url) as regular:
        idle = [stack.enter_context(line(hurried)) for _ in range(crowd // 2)]
        for connection in idle:
            connection.send(head("/live", method="GET"))
        answered = [status_of(connection.answer()) for connection in idle]
        half_open = [stack.enter_context(line(hurried)) for _ in range(crowd // 2)]
        for connection in half_open:
            connection.send("GET /live HTTP/1.1\r\nHost: x\r\n")
        meanwhile = {regular.get("/ready").status_code for _ in range(20)}
        told = {status_of(connection.received()) for connection in half_open}
        closed = {connection.received() for connection in idle}
        afterwards = regular.get("/ready").status_code

    assert set(answered) == {200}
    assert meanwhile == {200}
    assert told == {408}
    assert closed == {b""}
    assert afterwards == 200


# --- OV-11: the database away -----------------------------------------------------------------------------------------


def reconciled(environment: dict[str, str]) -> list[tuple[str, int]]:
    """What does not hold in the books: each check that found something, and how often."""
    command = [sys.executable, "manage.py", "reconcile", "--json"]
    told = subprocess.run(command, env=environment, capture_output=True, check=False).stdout
    return [(each["check"], each["violations"]) for each in json.loads(told) if each["violations"]]


@pytest.mark.parametrize("seconds", [2, pytest.param(10, marks=pytest.mark.prove)])
def test_ov_11_the_database_away(
    start: Start, cast: Cast, database_urls: dict[str, str], site_environment: dict[str, str], seconds: float
) -> None:
    quick = cast.publish(model="scripted/persona", options={"rules": [{"text": "hello"}]})
    rules = [{"text": "word " * int(10 * (seconds + 3))}]
    slow = cast.publish(model="scripted/persona", options={"rules": rules, "chunk_ms": 100, "chunk_chars": 5})
    stream = completion(cast.globex_key, {"model": slow, "stream": True, "messages": HI}, Connection="close")

    with own_database(database_urls) as database, start(**database.environment) as live:
        load = Load(live=live, key=cast.globex_key, address=quick)
        crowd = Crowd(live=live, requests=[stream] * 5)
        environment = {**site_environment, **database.environment}
        before = reconciled(environment)
        went_at, back_at = asyncio.run(outage(load, crowd, database, seconds=seconds))
        served = [told.run_id for told in load.told if told.status == 200 and told.run_id]
        paid = [eventually(partial(is_paid, database.books, run_id), within_s=30) for run_id in served + crowd.run_ids]
        after = reconciled(environment)

    refused = [told for told in load.told if told.status != 200]
    assert {told.status for told in load.told} == {200, 503}
    assert {told.code for told in refused} <= {"service_unavailable", "billing_unavailable"}
    assert all(int(told.retry_after) >= 1 for told in refused)
    assert max(told.seconds for told in load.told) < 5
    assert all(told.at + told.seconds > went_at for told in refused)
    assert min(told.at + told.seconds for told in load.told if told.status == 200 and told.at > back_at) < back_at + 5
    assert all(told.status == 200 for told in load.told if told.at > back_at + 2.5)
    assert crowd.whole == 5
    assert all(paid)
    assert after == before  # what other tests have left in the books was copied with them


async def outage(load: Load, crowd: Crowd, database: OwnDatabase, *, seconds: float) -> tuple[float, float]:
    """Take the database away for so long, under load and with streams in progress; when it went and was back."""
    moments: list[float] = []

    async def take_away() -> None:
        async with load.going_on():
            await asyncio.sleep(1)
            moments.append(time.monotonic())
            await asyncio.to_thread(database.server.stop)
            await asyncio.sleep(seconds)
            await asyncio.to_thread(database.server.start)
            moments.append(time.monotonic())
            await asyncio.sleep(3)

    await crowd.listen(then=take_away)
    return moments[0], moments[1]


def is_paid(books: Books, run_id: str) -> bool:
    """Whether a run's money went where it belongs."""
    return books.is_closed(run_id) and books.charged(run_id) >= PER_RUN_NANOS


def was_aborted(upstream: Upstream, order: str) -> bool:
    """Whether we hung up on the provider."""
    return any(exchange.order == order and exchange.aborted_at is not None for exchange in upstream.exchanges)


def is_held(live: LiveServer, connection: socket.socket) -> bool:
    """Whether the server's end of the connection is still open, as the system has it."""
    with open("/proc/net/tcp") as table:
        rows = [row.split() for row in table.readlines()[1:]]
    ends = f"{live.port:04X}", f"{connection.getsockname()[1]:04X}"
    established = "01"
    return any((row[1].rpartition(":")[2], row[2].rpartition(":")[2]) == ends and row[3] == established for row in rows)


# --- OV-13: a provider that hangs -------------------------------------------------------------------------------------

REST_S = 3.0


@pytest.fixture
def cautious(start: Start) -> Generator[LiveServer]:
    """A server that leaves a provider alone after five failures, for a few seconds."""
    with start(ROBUTLER_MODEL_FAILURES="5", ROBUTLER_MODEL_REST_S=str(REST_S)) as running:
        yield running


def test_ov_13_a_provider_that_accepts_and_never_answers(cautious: LiveServer, cast: Cast, upstream: Upstream) -> None:
    patience = {"first_byte_timeout_s": 0.3, "retries": 0}
    ours, theirs = (
        cast.publish(model=model_on("openai", "echo"), options=patience, owner=owner)
        for owner in (cast.acme, cast.globex)
    )
    order = "count-3:mute:times=5:case=ov-13"

    def told(address: str) -> tuple[int, str]:
        headers = {"Authorization": f"Bearer {cast.globex_key}"}
        answer = httpx.post(
            f"{cautious.url}/v1/chat/completions", json=ask(address, f"/{order}"), headers=headers, timeout=30
        )
        return answer.status_code, answer.json().get("error", {}).get("code", "")

    def reached() -> int:
        return sum(exchange.order == order for exchange in upstream.exchanges)

    hung = [told(ours) for _ in range(5)]
    at_rest, reached_at_rest = told(ours), reached()
    neighbours = told(theirs)
    recovered = eventually(lambda: told(ours) == (200, ""), within_s=10 * REST_S)

    assert hung == [(504, "upstream_timeout")] * 5
    assert (at_rest, reached_at_rest) == ((503, "upstream_overloaded"), 5)
    assert neighbours == (200, "")
    assert recovered
    assert reached() == 7
