"""What the official SDK sends again by itself, without an Idempotency-Key: answered and charged once."""

import asyncio
import time
from collections.abc import Generator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from openai import AsyncOpenAI, OpenAI

from tests.fakes.upstream import Upstream
from tests.live.books import Books
from tests.live.cast import PER_RUN_NANOS, Cast, ask, model_on
from tests.live.conftest import Start
from tests.live.server import LiveServer
from tests.live.waiting import eventually

PIECES = 12
PACE_MS = 200
PATIENCE_S = 1.0
"""Of the SDK's, with an answer that takes more than twice as long."""
FOR_ALL_OF_IT = PER_RUN_NANOS + PIECES * 1_000_000
"""What it costs: the run, and a token for each piece."""
STORM = 6


@pytest.fixture(scope="module")
def second(start: Start) -> Generator[LiveServer]:
    """Another process on the same database."""
    with start() as running:
        yield running


@pytest.fixture
def slow(cast: Cast) -> str:
    """The address of an agent on a provider that counts slowly."""
    return cast.publish(model=model_on("openai", "echo"))


def order() -> str:
    """Words that nobody has said before, by which the provider counts slowly."""
    return f"count-{PIECES}:pace={PACE_MS}:mark={uuid4().hex}"


def counted(upstream: Upstream, order: str) -> int:
    """How often the provider was asked for it."""
    return [exchange.order for exchange in upstream.exchanges].count(order)


def runs_at(live: LiveServer, cast: Cast, address: str, *, count: int = 1) -> list[Any]:
    """The runs of an agent, once so many are over."""

    def all_of_them() -> list[Any]:
        bearer = {"Authorization": f"Bearer {cast.globex_key}"}
        found: list[Any] = httpx.get(f"{live.url}/v1/runs", params={"agent": address}, headers=bearer).json()["data"]
        return found

    assert eventually(lambda: sum(run["ended_at"] is not None for run in all_of_them()) >= count, within_s=10)
    return all_of_them()


def raw(cast: Cast, address: str, order: str, *, tried: int, **fields: Any) -> dict[str, Any]:
    """A request as the SDK sends it when it has tried so often."""
    headers = {"Authorization": f"Bearer {cast.globex_key}", "x-stainless-retry-count": str(tried)}
    return {"headers": headers, "json": {"model": address, "messages": ask(f"/{order}"), **fields}, "timeout": 60}


def test_p14_a_whole_answer_that_the_sdk_asks_for_again_is_charged_once(
    live: LiveServer, cast: Cast, upstream: Upstream, books: Books, slow: str
) -> None:
    words = order()

    with OpenAI(base_url=f"{live.url}/v1", api_key=cast.globex_key, max_retries=5, timeout=PATIENCE_S) as client:
        answer = client.chat.completions.with_raw_response.create(model=slow, messages=ask(f"/{words}"))

    assert answer.parse().choices[0].message.content == "".join(f"{i} " for i in range(1, PIECES + 1))
    assert answer.retries_taken > 0
    assert answer.headers["idempotent-replayed"] == "true"
    assert counted(upstream, words) == 1
    (run,) = runs_at(live, cast, slow)
    assert (run["id"], run["status"], run["retry_of"]) == (answer.headers["x-robutler-run-id"], "finished", None)
    assert books.charged(run["id"]) == FOR_ALL_OF_IT


def test_p14_a_stream_that_the_sdk_asks_for_again_before_it_began_is_charged_once(live: LiveServer, cast: Cast) -> None:
    late = cast.publish(model="scripted/persona", options={"rules": [{"text": "one two", "delay_ms": 2_500}]})

    with OpenAI(base_url=f"{live.url}/v1", api_key=cast.globex_key, max_retries=5, timeout=PATIENCE_S) as client:
        stream = client.chat.completions.create(model=late, messages=ask("Hello"), stream=True)
        said = "".join(choice.delta.content or "" for chunk in stream for choice in chunk.choices)

    assert said == "one two"
    (run,) = runs_at(live, cast, late)
    assert run["status"] == "finished"


def test_p14_the_next_try_is_answered_by_another_process(
    live: LiveServer, second: LiveServer, cast: Cast, upstream: Upstream, books: Books, slow: str
) -> None:
    words = order()
    first = raw(cast, slow, words, tried=0) | {"timeout": PATIENCE_S}
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{live.url}/v1/chat/completions", **first)
    time.sleep(0.4)

    answer = httpx.post(f"{second.url}/v1/chat/completions", **raw(cast, slow, words, tried=1))

    assert (answer.status_code, answer.headers["idempotent-replayed"]) == (200, "true")
    assert counted(upstream, words) == 1
    assert books.charged(answer.headers["x-robutler-run-id"]) == FOR_ALL_OF_IT


def test_p14_after_the_first_bytes_of_a_stream_the_next_try_is_a_run_of_its_own(
    live: LiveServer, cast: Cast, slow: str
) -> None:
    words = order()
    url, asked = f"{live.url}/v1/chat/completions", raw(cast, slow, words, tried=0, stream=True)

    with httpx.stream("POST", url, **asked) as begun:
        lines = begun.iter_lines()
        next(lines)
        again = httpx.post(url, **raw(cast, slow, words, tried=1, stream=True))
        rest = list(lines)

    assert rest[-2] == "data: [DONE]"
    assert again.headers["x-robutler-run-id"] != begun.headers["x-robutler-run-id"]
    run = httpx.get(f"{live.url}/v1/runs/{again.headers['x-robutler-run-id']}", headers=asked["headers"]).json()
    assert run["retry_of"] == begun.headers["x-robutler-run-id"]


def test_p14_who_does_not_try_again_is_soon_taken_to_have_left(
    live: LiveServer, cast: Cast, upstream: Upstream, slow: str
) -> None:
    words = order()

    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{live.url}/v1/chat/completions", **raw(cast, slow, words, tried=0) | {"timeout": 0.5})

    assert upstream.wait(lambda log: any(each.order == words and each.aborted_at for each in log.exchanges), within_s=2)


def test_f48_a_storm_of_sdks_that_try_the_same_again_and_again_is_one_run_each(
    live: LiveServer, cast: Cast, upstream: Upstream, books: Books, slow: str
) -> None:
    words = order()

    async def storm() -> list[str]:
        async with (
            AsyncOpenAI(
                base_url=f"{live.url}/v1", api_key=cast.globex_key, max_retries=6, timeout=PATIENCE_S
            ) as client,
            asyncio.TaskGroup() as group,
        ):
            asking = [
                group.create_task(client.chat.completions.create(model=slow, messages=ask(f"/{words}")))
                for _ in range(STORM)
            ]
        return [str(each.result().choices[0].message.content) for each in asking]

    said = asyncio.run(storm())

    assert set(said) == {"".join(f"{i} " for i in range(1, PIECES + 1))}
    assert counted(upstream, words) == STORM
    runs = runs_at(live, cast, slow, count=STORM)
    assert len(runs) == STORM
    assert all(books.charged(run["id"]) <= FOR_ALL_OF_IT for run in runs)
    assert books.balance()
