"""Who leaves, and when: the client after any chunk, the process all at once."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest

from tests.billing import money
from tests.fakes.upstream import Upstream
from tests.fakes.upstream_server import Exchange, Log
from tests.live.books import Books
from tests.live.cast import PER_RUN_NANOS, Cast, model_on
from tests.live.conftest import Start
from tests.live.server import LiveServer
from tests.live.waiting import eventually

PIECES = 12
SETTLED_WITHIN_S = 2.0
CLOSED_WITHIN_S = 1.0


class Streaming:
    """A stream in progress."""

    def __init__(self, response: httpx.Response) -> None:
        assert response.status_code == 200, response.read()
        self.run_id = response.headers["x-robutler-run-id"]
        self._lines = response.iter_lines()

    def read(self, chunks: int) -> None:
        """Read so many chunks."""
        while chunks > 0:
            chunks -= next(self._lines).startswith("data: ")

    def rest(self) -> list[str]:
        """The data of all that still comes."""
        return [line[6:] for line in self._lines if line.startswith("data: ")]


@contextmanager
def streaming(live: LiveServer, cast: Cast, address: str, words: str) -> Iterator[Streaming]:
    """A stream that has begun; leaving the block hangs up."""
    body = {"model": address, "stream": True, "messages": [{"role": "user", "content": words}]}
    headers = {"Authorization": f"Bearer {cast.globex_key}"}
    with (
        httpx.Client(timeout=30) as client,
        client.stream("POST", f"{live.url}/v1/chat/completions", json=body, headers=headers) as response,
    ):
        yield Streaming(response)


@pytest.mark.parametrize("skill", ["openai", "anthropic", "litellm"])
def test_whoever_hangs_up_after_any_chunk_frees_the_upstream_and_the_money(
    live: LiveServer, cast: Cast, upstream: Upstream, books: Books, skill: str
) -> None:
    address = cast.publish(model=model_on(skill, "echo"))

    with streaming(live, cast, address, f"/count-1:{skill}-begin") as stream:
        stream.rest()  # Whoever uses litellm first waits for its import, and would leave before the upstream is asked.

    def hang_up(after: int) -> tuple[int, bool, bool]:
        order = f"count-400:pace=20:{skill}-hangup={after}"
        with streaming(live, cast, address, f"/{order}") as stream:
            stream.read(after)
        left = upstream.wait(lambda log: _was_aborted(log, order), within_s=CLOSED_WITHIN_S)
        return after, left, eventually(lambda: books.is_closed(stream.run_id), within_s=SETTLED_WITHIN_S)

    with ThreadPoolExecutor(6) as several:
        found = list(several.map(hang_up, range(PIECES)))

    assert found == [(after, True, True) for after in range(PIECES)]
    assert books.balance()


def test_who_hangs_up_pays_for_what_was_produced(live: LiveServer, cast: Cast, books: Books) -> None:
    address = cast.publish(model=model_on("openai", "echo"))
    with streaming(live, cast, address, "/count-400:pace=20:paid=1") as stream:
        stream.read(5)

    assert eventually(lambda: books.is_closed(stream.run_id), within_s=SETTLED_WITHIN_S)
    assert books.charged(stream.run_id) > PER_RUN_NANOS


def test_a_client_that_leaves_before_a_whole_answer_frees_both_too(
    live: LiveServer, cast: Cast, upstream: Upstream
) -> None:
    address = cast.publish(model=model_on("openai", "echo"))
    order = "count-400:pace=20:whole=1"
    body = {"model": address, "messages": [{"role": "user", "content": f"/{order}"}]}

    with pytest.raises(httpx.ReadTimeout), httpx.Client(timeout=0.5) as client:
        client.post(
            f"{live.url}/v1/chat/completions", json=body, headers={"Authorization": f"Bearer {cast.globex_key}"}
        )

    assert upstream.wait(lambda log: _was_aborted(log, order), within_s=CLOSED_WITHIN_S)


def test_killed_in_the_middle_of_streams_it_leaves_no_money_reserved(start: Start, cast: Cast, books: Books) -> None:
    address = cast.publish(model=model_on("openai", "echo"))
    streams = 20
    begun = threading.Barrier(streams + 1)
    run_ids: list[str] = []

    def read(live: LiveServer) -> None:
        with streaming(live, cast, address, "/count-400:pace=20:killed=1") as stream:
            run_ids.append(stream.run_id)
            stream.read(5)
            begun.wait(30)
            with pytest.raises(httpx.TransportError):
                stream.rest()

    with start() as live, ThreadPoolExecutor(streams) as readers:
        reading = [readers.submit(read, live) for _ in range(streams)]
        begun.wait(30)
        time.sleep(1.2)  # what was used is written down every second
        live.kill()
        for one in reading:
            one.result(30)
    assert not any(books.is_closed(run_id) for run_id in run_ids)
    books.let_time_pass(run_ids)
    with start():
        money.sweep()

    assert all(books.is_closed(run_id) for run_id in run_ids)
    assert len(run_ids) == streams
    assert books.balance()


def _was_aborted(log: Log, order: str) -> bool:
    found: list[Exchange] = [exchange for exchange in list(log.exchanges) if exchange.order == order]
    return bool(found) and all(exchange.aborted_at is not None for exchange in found)
