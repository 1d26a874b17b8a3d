"""Whoever hangs up, at any piece of a stream, by a proper end or a broken line: what the caller owes, to the token."""

import socket
import struct
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.fakes.upstream import Upstream
from tests.live.books import Books
from tests.live.cast import PER_RUN_NANOS, Cast, model_on
from tests.live.server import LiveServer
from tests.live.waiting import eventually
from tests.live.wire import Line, completion, line

PER_TOKEN_NANOS = 1_000_000
PIECES = 24
PIECE = "word"
RUN_ID = b"x-robutler-run-id: "
BREAK_OFF = struct.pack("ii", 1, 0)
BILLS_ON = "mistral"


@pytest.fixture(scope="module")
def stopping(cast: Cast) -> str:
    """The address of an agent whose provider stops, and stops billing, when its connection is closed."""
    return cast.publish(model=model_on("openai", "echo"), options={"idle_timeout_s": 30})


@pytest.fixture(scope="module")
def billing_on(cast: Cast, upstream: Upstream) -> str:
    """The address of an agent whose provider goes on, and bills all of its reply."""
    from skills.sdk import Secret
    from tenants.context import platform_context
    from tenants.services import store_credential

    with platform_context(reason="a provider for tests"):
        store_credential(
            organization_id=None, provider=BILLS_ON, secret=Secret("sk-upstream-test"),  # type: ignore[arg-type]
            base_url=upstream.base_url, unpriced_allowed=True,
        )  # fmt: skip
    return cast.publish(model=f"{BILLS_ON}/echo", options={"idle_timeout_s": 30})


def hang_up(live: LiveServer, cast: Cast, address: str, order: str, *, after: int) -> str:
    """Read so many pieces of a stream and leave, every other time without a goodbye; answers the run's id."""
    body = {"model": address, "stream": True, "messages": [{"role": "user", "content": f"/{order} {PIECE * PIECES}"}]}
    with line(live) as connection:
        connection.send(completion(cast.globex_key, body, Connection="close"))
        got = b"".join(_pieces(connection, after))
        if after % 2:
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, BREAK_OFF)
    return got.partition(RUN_ID)[2].split(b"\r\n")[0].decode()


def _pieces(connection: Line, most: int) -> Generator[bytes]:
    seen, top = 0, b""
    for piece in connection.pieces():
        yield piece
        top += piece
        seen = top.count(b'"content":"' + PIECE.encode())
        if seen >= most and b"data: " in top:
            return


def charged(books: Books, run_id: str) -> int | None:
    """What it came to once its hold is closed; None where that does not come."""
    if not eventually(lambda: books.is_closed(run_id), within_s=10):
        return None
    return books.charged(run_id) if books.is_settled(run_id) else 0


def test_p04_hung_up_at_every_piece_a_provider_that_stops_is_paid_what_had_come(
    live: LiveServer, cast: Cast, upstream: Upstream, books: Books, stopping: str
) -> None:
    def one(after: int) -> tuple[int, int | None, bool]:
        order = f"echo:size=4:stall={after}:p04={after}"
        run_id = hang_up(live, cast, stopping, order, after=after)
        left = upstream.wait(
            lambda log: any(each.order == order and each.aborted_at for each in list(log.exchanges)), within_s=5
        )
        return after, charged(books, run_id), left

    with ThreadPoolExecutor(6) as several:
        found = list(several.map(one, range(PIECES)))

    owed = [0, *(PER_RUN_NANOS + pieces * PER_TOKEN_NANOS for pieces in range(1, PIECES))]
    assert found == [(after, owed[after], True) for after in range(PIECES)]
    assert books.balance()


def test_p05_hung_up_at_every_piece_a_provider_that_bills_on_is_paid_in_full(
    live: LiveServer, cast: Cast, upstream: Upstream, books: Books, billing_on: str
) -> None:
    hang_up(live, cast, billing_on, "echo:size=4:begin", after=1)  # Whoever uses litellm first waits for its import.

    def one(after: int) -> tuple[int, int | None]:
        run_id = hang_up(live, cast, billing_on, f"echo:size=4:pace=20:p05={after}", after=after)
        return after, charged(books, run_id)

    with ThreadPoolExecutor(3) as several:
        found = list(several.map(one, range(PIECES + 1)))

    assert found == [(after, PER_RUN_NANOS + PIECES * PER_TOKEN_NANOS) for after in range(PIECES + 1)]
    assert not [exchange for exchange in upstream.exchanges if "p05=" in exchange.order and exchange.aborted_at]
    assert books.balance()
