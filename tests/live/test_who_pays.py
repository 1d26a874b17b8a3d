"""The rows of docs/explanation/who-pays.md that take a whole server: one that dies, requests sent again."""

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.billing import money
from tests.fakes.upstream import Upstream
from tests.live.books import Books
from tests.live.cast import PER_RUN_NANOS, Cast, model_on
from tests.live.conftest import Start
from tests.live.server import LiveServer
from tests.live.waiting import eventually

PER_TOKEN_NANOS = 1_000_000
STALLED_AT = 137
PIECES = 12
BILLS_ON = "groq"


@pytest.fixture(scope="module")
def heard_out(cast: Cast, upstream: Upstream) -> str:
    """The address of an agent whose provider bills to the end of a reply, heard or not."""
    from skills.sdk import Secret
    from tenants.context import platform_context
    from tenants.services import store_credential

    with platform_context(reason="a provider for tests"):
        store_credential(
            organization_id=None, provider=BILLS_ON, secret=Secret("sk-upstream-test"),  # type: ignore[arg-type]
            base_url=upstream.base_url, unpriced_allowed=True,
        )  # fmt: skip
    return cast.publish(model=f"{BILLS_ON}/echo")


def asked(cast: Cast, address: str, words: str, **fields: Any) -> dict[str, Any]:
    body = {"model": address, "messages": [{"role": "user", "content": words}], **fields}
    return {"json": body, "headers": {"Authorization": f"Bearer {cast.globex_key}"}, "timeout": 60}


@contextmanager
def streaming(live: LiveServer, cast: Cast, address: str, words: str) -> Generator[tuple[str, Any]]:
    """The run's id and the lines of its stream; leaving the block hangs up."""
    request = asked(cast, address, words, stream=True)
    with httpx.stream("POST", f"{live.url}/v1/chat/completions", **request) as response:
        assert response.status_code == 200, response.read()
        yield response.headers["x-robutler-run-id"], response.iter_lines()


def read(lines: Any, chunks: int) -> None:
    """Read so many pieces of text; the first event says who speaks."""
    while chunks > 0:
        chunks -= '"content":"' in next(lines).replace('"content":""', "")


def counted(upto: int) -> int:
    """The tokens of `1 2 3 …`, four bytes each."""
    return -(-len("".join(f"{i} " for i in range(1, upto + 1))) // 4)


def test_p05_whoever_hangs_up_after_any_chunk_pays_a_provider_that_bills_on_for_all_of_it(
    live: LiveServer, cast: Cast, upstream: Upstream, books: Books, heard_out: str
) -> None:
    with streaming(live, cast, heard_out, "/count-1:begin") as (_, lines):
        list(lines)  # Whoever uses litellm first waits for its import.

    def hang_up(after: int) -> tuple[int, bool, int]:
        order = f"count-{PIECES}:pace=20:bills={after}"
        with streaming(live, cast, heard_out, f"/{order}") as (run_id, lines):
            read(lines, after)
        closed = eventually(lambda: books.is_closed(run_id), within_s=5)
        return after, closed, books.charged(run_id)

    with ThreadPoolExecutor(3) as several:
        found = list(several.map(hang_up, range(PIECES)))

    assert found == [(after, True, PER_RUN_NANOS + PIECES * PER_TOKEN_NANOS) for after in range(PIECES)]
    assert not [exchange for exchange in upstream.exchanges if "bills=" in exchange.order and exchange.aborted_at]
    assert books.balance()


def test_p07_killed_at_a_token_it_charges_what_was_written_down(start: Start, cast: Cast, books: Books) -> None:
    address = cast.publish(model=model_on("openai", "echo"), options={"idle_timeout_s": 30})

    with start() as live, streaming(live, cast, address, f"/count-400:stall={STALLED_AT}") as (run_id, lines):
        read(lines, STALLED_AT)
        written = eventually(lambda: books.accrued(run_id) == counted(STALLED_AT) * PER_TOKEN_NANOS, within_s=2)
        live.kill()
    books.let_time_pass([run_id])
    money.sweep()

    assert written
    assert books.charged(run_id) == counted(STALLED_AT) * PER_TOKEN_NANOS
    assert books.balance()


def test_p07_killed_while_it_speaks_it_loses_an_interval_at_most(start: Start, cast: Cast, books: Books) -> None:
    address = cast.publish(model=model_on("openai", "echo"))

    with start() as live, streaming(live, cast, address, "/count-400:pace=15") as (run_id, lines):
        read(lines, STALLED_AT)
        live.kill()
    books.let_time_pass([run_id])
    money.sweep()

    an_interval = round(1.2 / 0.015)
    charged = books.charged(run_id) // PER_TOKEN_NANOS
    assert counted(STALLED_AT - an_interval) <= charged <= counted(STALLED_AT + 10)


def test_p13_the_same_key_again_costs_nothing(live: LiveServer, cast: Cast, upstream: Upstream, books: Books) -> None:
    address = cast.publish(model=model_on("openai", "echo"))
    request = asked(cast, address, "/count-9:once")
    request["headers"]["Idempotency-Key"] = str(uuid4())

    first, again = (httpx.post(f"{live.url}/v1/chat/completions", **request) for _ in range(2))

    assert (first.json(), again.headers["idempotent-replayed"]) == (again.json(), "true")
    assert [exchange.order for exchange in upstream.exchanges].count("count-9:once") == 1
    assert books.charged(first.headers["x-robutler-run-id"]) == PER_RUN_NANOS + 9 * PER_TOKEN_NANOS
