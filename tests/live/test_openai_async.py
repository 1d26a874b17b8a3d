"""The official SDK's asynchronous client: many at once, and leaving in the middle."""

import asyncio

import pytest

from tests.fakes.upstream import Upstream
from tests.live.cast import Cast, ask
from tests.live.server import LiveServer

AT_ONCE = 8


async def test_whole_and_streamed_answers(live: LiveServer, cast: Cast, persona: str) -> None:
    async with cast.async_client(live.url) as client:
        whole = await client.chat.completions.create(model=persona, messages=ask("Hello."))
        stream = await client.chat.completions.create(model=persona, messages=ask("Hello."), stream=True)
        words = [c.delta.content or "" async for chunk in stream for c in chunk.choices]
        models = {model.id async for model in client.models.list()}

    assert whole.choices[0].message.content == "Hello there."
    assert "".join(words) == "Hello there."
    assert persona in models


async def test_answers_to_many_at_once_are_not_mixed_up(live: LiveServer, cast: Cast, echo: str) -> None:
    async with cast.async_client(live.url) as client, asyncio.TaskGroup() as group:
        tasks = {
            words: group.create_task(client.chat.completions.create(model=echo, messages=ask(words)))
            for words in (f"I am number {number}." for number in range(AT_ONCE))
        }

    assert {words: task.result().choices[0].message.content for words, task in tasks.items()} == {
        words: words for words in tasks
    }


@pytest.mark.parametrize("how", ["closes the stream", "is cancelled"])
async def test_a_client_that_leaves_ends_the_upstreams_work(
    live: LiveServer, cast: Cast, upstream: Upstream, echo: str, how: str
) -> None:
    order = f"count-400:pace=20:how={how.partition(' ')[0]}"

    async def read_all() -> None:
        stream = await client.chat.completions.create(model=echo, messages=ask(f"/{order}"), stream=True)
        async for chunk in stream:
            if "3" in (chunk.choices[0].delta.content or ""):
                if how == "is cancelled":
                    asyncio.current_task().cancel()  # type: ignore[union-attr]
                else:
                    await stream.close()
                    return

    async with cast.async_client(live.url) as client:
        task = asyncio.create_task(read_all())
        await asyncio.wait([task])

    asked = next(exchange for exchange in upstream.exchanges if exchange.order == order)
    assert await asyncio.to_thread(upstream.wait, lambda _: asked.aborted_at is not None)
