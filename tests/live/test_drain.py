"""Leaving in good order: what runs may finish, nothing new begins, and the money is settled."""

import asyncio
import json
import signal
import threading
import time

import httpx
import pytest

from tests import make
from tests.live.books import Books
from tests.live.cast import CREDIT_NANOS, Cast
from tests.live.conftest import Start
from tests.live.crowd import Crowd
from tests.live.server import LiveServer
from tests.live.test_leaving import streaming
from tests.live.waiting import eventually
from tests.live.wire import completion, head, line, status_of

HI = [{"role": "user", "content": "go"}]


def slow_agent(cast: Cast, *, words: int, chunk_ms: int) -> str:
    rules = [{"text": "word " * words}]
    return cast.publish(model="scripted/persona", options={"rules": rules, "chunk_ms": chunk_ms, "chunk_chars": 5})


def drained(live: LiveServer, cast: Cast, *, streams: int, seconds: float) -> tuple[Crowd, httpx.Response, float]:
    """So many streams through a SIGTERM; what a newcomer is told meanwhile, and how soon `/ready` says no."""
    address = slow_agent(cast, words=int(seconds * 10), chunk_ms=100)
    body = {"model": address, "stream": True, "messages": HI}
    key = make.key(make.wallet(make.organization("Crowd"), streams * CREDIT_NANOS))
    crowd = Crowd(live=live, requests=[completion(key, body, Connection="close")] * streams)
    found: list[tuple[httpx.Response, float]] = []

    async def stop() -> None:
        async with httpx.AsyncClient(base_url=live.url, timeout=30) as client:
            live.terminate()
            since = time.monotonic()
            while (await client.get("/ready")).status_code == 200:
                pass
            noticed_s = time.monotonic() - since
            found.append((await client.post("/v1/chat/completions", json=body), noticed_s))

    asyncio.run(crowd.listen(then=stop))
    return crowd, *found[0]


def test_ov_06_told_to_stop_it_finishes_200_streams_and_begins_nothing(start: Start, cast: Cast, books: Books) -> None:
    with start() as live:
        crowd, refused, noticed_s = drained(live, cast, streams=200, seconds=4)
        code = live.exit_code()

    assert crowd.whole == 200
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "draining")
    assert int(refused.headers["retry-after"]) >= 1
    assert noticed_s < 2
    assert code == 0, live.said
    assert len(crowd.run_ids) == 200
    assert all(books.is_closed(run_id) for run_id in crowd.run_ids)
    assert books.balance()


@pytest.mark.prove
def test_ov_06_told_to_stop_it_finishes_1000_streams(start: Start, cast: Cast, books: Books) -> None:
    with start() as live:
        crowd, _, noticed_s = drained(live, cast, streams=1_000, seconds=15)
        code = live.exit_code()

    assert crowd.whole == 1_000
    assert noticed_s < 2
    assert code == 0, live.said
    assert all(books.is_closed(run_id) for run_id in crowd.run_ids)
    assert books.balance()


def test_what_does_not_finish_in_time_is_told_so(start: Start, cast: Cast, books: Books) -> None:
    address = slow_agent(cast, words=1_000, chunk_ms=20)

    with start(ROBUTLER_DRAIN_S="0.5") as live, streaming(live, cast, address, "go") as stream:
        live.terminate()
        *_, error, done = stream.rest()
        code = live.exit_code()

    assert json.loads(error)["error"]["code"] == "service_unavailable"
    assert done == "[DONE]"
    assert code == 0, live.said
    assert books.is_closed(stream.run_id)


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_what_is_still_in_progress(start: Start, cast: Cast, books: Books, by: int) -> None:
    address = slow_agent(cast, words=10_000, chunk_ms=20)
    ends: list[str] = []

    with start() as live, streaming(live, cast, address, "go") as stream:
        reader = threading.Thread(target=lambda: ends.extend(stream.rest()))
        reader.start()
        live.terminate(by)
        assert eventually(lambda: not live.is_ready(), within_s=5)
        goes_on = reader.is_alive()
        live.terminate()
        code = live.exit_code()
        reader.join(20)

    assert goes_on
    assert json.loads(ends[-2])["error"]["code"] == "service_unavailable"
    assert ends[-1] == "[DONE]"
    assert code == 0, live.said
    assert books.is_closed(stream.run_id)


def test_connections_end_with_the_answer_that_is_due(start: Start, cast: Cast) -> None:
    """One that is idle is not closed under a client's next request: it is answered, told to close, and closed."""
    address = slow_agent(cast, words=60, chunk_ms=50)

    with start() as live, line(live) as idle, line(live) as busy:
        idle.send(head("/live", method="GET"))
        before = idle.answer()
        busy.send(completion(cast.globex_key, {"model": address, "messages": HI}))
        time.sleep(0.5)  # the run is in progress
        live.terminate()
        assert eventually(lambda: not live.is_ready(), within_s=5)
        still_open = not idle.is_closed()
        idle.socket.settimeout(30)
        idle.send(head("/ready", method="GET"))
        told = idle.received()
        finished = busy.received()
        code = live.exit_code()

    assert status_of(before) == 200
    assert b"connection: close" not in before
    assert still_open
    assert status_of(told) == 503
    assert b"connection: close" in told
    assert status_of(finished) == 200
    assert b"connection: close" in finished
    assert code == 0, live.said
