"""F50: a crowd of clients that all leave within the same moment."""

import asyncio
import re
from uuid import uuid4

import pytest

from tests import make
from tests.fakes.upstream import Upstream
from tests.live.books import Books
from tests.live.cast import CREDIT_NANOS, PER_RUN_NANOS, Cast, ask, model_on
from tests.live.server import LiveServer
from tests.live.waiting import eventually
from tests.live.wire import completion

PER_TOKEN_NANOS = 1_000_000
FEW, MANY = 200, 1_000
CLOSED_WITHIN_S = 30

_RUN_ID = re.compile(rb"x-robutler-run-id: (\S+)")


@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.prove)])
def test_f50_of_a_crowd_that_leaves_at_once_each_pays_for_what_had_come_and_nothing_stays_held(
    live: LiveServer, cast: Cast, upstream: Upstream, books: Books, count: int
) -> None:
    from billing import ledger

    address, order = cast.publish(model=model_on("openai", "echo")), f"count-2000:pace=100:mark={uuid4().hex}"
    payer = make.wallet(make.organization("Crowd"), count * CREDIT_NANOS)
    body = {"model": address, "stream": True, "messages": ask(f"/{order}")}

    heard = asyncio.run(_crowd(live, completion(make.key(payer), body).encode(), count))
    is_closed = eventually(lambda: books.open_holds(payer.id) == 0, within_s=CLOSED_WITHIN_S)
    sold = [exchange for exchange in upstream.exchanges if exchange.order == order]

    run_ids = [found[1].decode() for said in heard if (found := _RUN_ID.search(said))]
    assert is_closed
    assert len(run_ids) == len(sold) == count
    assert all(exchange.aborted_at is not None for exchange in sold)
    charged = {run_id: books.charged(run_id) for run_id in run_ids}
    assert all(nanos > PER_RUN_NANOS for nanos in charged.values())
    assert sum(charged.values()) <= count * PER_RUN_NANOS + sum(each.sale.tokens for each in sold) * PER_TOKEN_NANOS
    left = ledger.balance(payer.id)
    assert (left.held, left.posted) == (0, count * CREDIT_NANOS - sum(charged.values()))
    assert books.balance()
    assert live.is_ready()


async def _crowd(live: LiveServer, asked: bytes, count: int) -> list[bytes]:
    """Listen until everybody has heard something, then be gone, all within a second."""
    begun = asyncio.Barrier(count)

    async def listen() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", live.port)
        writer.write(asked)
        heard = await reader.readuntil(b'"content":"1 "')
        await begun.wait()
        writer.transport.abort()
        return heard

    async with asyncio.TaskGroup() as group:
        listeners = [group.create_task(listen()) for _ in range(count)]
    return [each.result() for each in listeners]
