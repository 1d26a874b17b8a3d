"""Too much of everything, told apart by who asks. Each test is named by its case."""

import asyncio
import time
from collections.abc import Generator
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest

from tenants.limits import Limits
from tests import make
from tests.live.asking import HI, all_at_once, in_turn
from tests.live.cast import Cast
from tests.live.conftest import Start
from tests.live.pair import Pair, pair
from tests.live.server import LiveServer

__all__ = ["pair"]

COMPLETIONS = "/v1/chat/completions"
FREE = {"price_per_run_nanos": 0, "output_price_pico": 0}
"""So that the wallet is not what is met first."""


async def publish(cast: Cast, **rule: Any) -> str:
    """The address of an agent that does as the rule says."""
    rules = [{"text": "hi", **rule}]
    return await asyncio.to_thread(cast.publish, model="scripted/persona", options={"rules": rules}, **FREE)


async def key(organization: Any, **limits: int) -> str:
    text: str = await asyncio.to_thread(make.key, organization, limits=Limits(**limits))
    return text


async def test_ov_01_a_tenant_that_floods_gets_its_limit_and_others_notice_nothing(
    live: LiveServer, cast: Cast
) -> None:
    address = await publish(cast)
    flooding, calm = await key(cast.globex, requests_per_second=10), await key(cast.acme)
    served, offered, since = 0, 0, time.monotonic()
    windows = 3

    async def flood() -> None:
        nonlocal served, offered
        while time.monotonic() < since + windows:
            volley = await all_at_once([live], key=flooding, address=address, count=25)
            served, offered = served + volley.served, offered + 25
            assert all(int(answer.headers["retry-after"]) >= 1 for answer in volley.refused)

    async with asyncio.TaskGroup() as group:
        group.create_task(flood())
        others = group.create_task(in_turn([live], key=calm, address=address, count=10))

    elapsed = time.monotonic() - since
    assert others.result().served == 10
    assert 0.95 * 10 * windows <= served <= 10 * (elapsed + 1)
    assert offered > served


async def test_ov_02_a_place_comes_back_however_a_request_ends(live: LiveServer, cast: Cast) -> None:
    done, broken = await publish(cast), await asyncio.to_thread(cast.publish, model="openai/fault-500", **FREE)
    slow = await asyncio.to_thread(
        cast.publish,
        model="scripted/persona",
        options={"rules": [{"text": "word " * 500}], "chunk_ms": 50},
        **FREE,
    )
    limited = await key(cast.globex, max_parallel=2)

    headers = {"Authorization": f"Bearer {limited}"}
    async with httpx.AsyncClient(base_url=live.url, headers=headers, timeout=30) as http:
        for address in (done, broken, "nobody", done):
            await _ask(http, address)
        pieces = []  # kept: whoever forgets them leaves
        async with AsyncExitStack() as open_streams:
            for _ in range(2):
                body = {"model": slow, "messages": HI, "stream": True}
                answer = await open_streams.enter_async_context(http.stream("POST", COMPLETIONS, json=body))
                pieces.append(answer.aiter_bytes())
                await anext(pieces[-1])
            refused = await _ask(http, done)
        let_in = await _until(http, done, status=200)

    assert refused.json()["error"]["code"] == "too_many_concurrent_requests"
    assert refused.json()["error"]["metadata"] == {"limit": "max_parallel", "scope": "key", "allowed": 2}
    assert let_in.status_code == 200


@pytest.fixture(scope="module")
def small(start: Start) -> Generator[LiveServer]:
    """A server with few places, where nobody waits for long."""
    with start(ROBUTLER_MAX_PARALLEL_RUNS="4", ROBUTLER_RUN_WAIT_S="1.5") as running:
        yield running


async def test_ov_03_when_all_places_are_taken_everybody_gets_some_and_the_rest_is_told_so(
    small: LiveServer, cast: Cast
) -> None:
    address = await publish(cast, delay_ms=250)
    organizations = [await asyncio.to_thread(make.organization, name) for name in ("A", "B", "C")]
    keys = [await key(organization) for organization in organizations]
    await asyncio.to_thread(lambda: [make.wallet(each, 10**9) for each in organizations])

    async with httpx.AsyncClient(base_url=small.url, timeout=30) as http, asyncio.TaskGroup() as group:
        greedy = [group.create_task(_ask(http, address, keys[0])) for _ in range(60)]
        await asyncio.sleep(0.1)
        modest = [group.create_task(_ask(http, address, each)) for each in keys[1:] for _ in range(4)]
        probes = [await http.get(path) for path in ("/ready", "/live", "/health") for _ in range(3)]

    answers = [task.result() for task in (*greedy, *modest)]
    refused = [answer for answer in answers if answer.status_code != 200]
    assert {answer.status_code for answer in probes} == {200}
    assert {answer.status_code for answer in refused} == {503}
    assert {answer.json()["error"]["code"] for answer in refused} == {"service_unavailable"}
    assert {answer.headers["retry-after"] for answer in refused} == {"1"}
    assert [task.result().status_code for task in modest] == [200] * 8


async def test_ov_12_a_redis_that_goes_and_comes_back(pair: Pair, cast: Cast) -> None:
    address = await publish(cast)
    limited = await key(cast.globex, requests_per_second=10)
    since = time.monotonic()

    async def rush(seconds: float) -> tuple[int, int]:
        """Ask for so long, more than is allowed; how many were served, of how many."""
        until, served, offered = time.monotonic() + seconds, 0, 0
        while time.monotonic() < until:
            volley = await all_at_once(pair.servers, key=limited, address=address, count=30)
            assert len(volley.refused) == 30 - volley.served
            served, offered = served + volley.served, offered + 30
        return served, offered

    before = await rush(1)
    pair.redis.stop()
    without = await rush(2.5)
    pair.redis.start()
    after = await rush(2)

    elapsed = time.monotonic() - since
    assert all(0 < served < offered for served, offered in (before, without, after))
    # A window more for each time that Redis began anew.
    assert sum(served for served, _ in (before, without, after)) <= 10 * (elapsed + 3)


async def _ask(http: httpx.AsyncClient, address: str, key: str | None = None) -> httpx.Response:
    headers = {"Authorization": f"Bearer {key}"} if key else None
    return await http.post(COMPLETIONS, json={"model": address, "messages": HI}, headers=headers)


async def _until(http: httpx.AsyncClient, address: str, *, status: int) -> httpx.Response:
    """The first answer with this status, which has to come soon."""
    deadline = time.monotonic() + 5
    while (answer := await _ask(http, address)).status_code != status:
        assert time.monotonic() < deadline
    return answer
