"""Money under a crowd: what is in the wallet is what is served."""

import asyncio
from collections import Counter
from uuid import uuid4

import httpx
import pytest

from tests import make
from tests.live.books import Books
from tests.live.cast import Cast, model_on
from tests.live.server import LiveServer

CALLS, AFFORDABLE = 200, 37


@pytest.mark.parametrize("skill", ["openai", "anthropic", "litellm"])
def test_a_bill_calls_a_reply_as_its_provider_does(live: LiveServer, cast: Cast, books: Books, skill: str) -> None:
    address, named = cast.publish(model=model_on(skill, "echo")), f"reply-{uuid4().hex}"
    body = {"model": address, "messages": [{"role": "user", "content": f"/count-5:id={named}"}]}

    answer = httpx.post(
        f"{live.url}/v1/chat/completions", json=body, headers={"Authorization": f"Bearer {cast.globex_key}"}, timeout=60
    )

    assert books.replies_of(answer.headers["x-robutler-run-id"]) == [named]


def test_a_crowd_on_a_small_wallet_is_served_exactly_as_far_as_it_reaches(
    live: LiveServer, cast: Cast, books: Books
) -> None:
    from billing import ledger

    address = cast.publish(model="scripted/persona", output_price_pico=0, options={"rules": [{"text": "hi"}]})
    body = {"model": address, "messages": [{"role": "user", "content": "hi"}]}
    url = f"{live.url}/v1/chat/completions"
    one = httpx.post(url, json=body, headers={"Authorization": f"Bearer {cast.globex_key}"})
    price_nanos = round(float(one.headers["x-robutler-cost"]) * 1_000_000_000)
    crowd = make.wallet(make.organization("Crowd"), AFFORDABLE * price_nanos)
    headers = {"Authorization": f"Bearer {make.key(crowd)}"}

    async def call_all() -> Counter[int]:
        limits = httpx.Limits(max_connections=CALLS)
        async with (
            httpx.AsyncClient(limits=limits, timeout=60, headers=headers) as client,
            asyncio.TaskGroup() as group,
        ):
            calls = [group.create_task(client.post(url, json=body)) for _ in range(CALLS)]
        return Counter(call.result().status_code for call in calls)

    found = asyncio.run(call_all())

    assert price_nanos > 0
    assert found == {200: AFFORDABLE, 402: CALLS - AFFORDABLE}
    balance = ledger.balance(crowd.id)
    assert (balance.posted, balance.held) == (0, 0)
    assert books.balance()
