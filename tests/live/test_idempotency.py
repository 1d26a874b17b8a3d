"""Idempotency-Key across processes, their deaths, and the retries of the official SDK."""

import threading
from collections.abc import Generator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from openai import OpenAI

from tests.billing import money
from tests.fakes.upstream import Upstream
from tests.live.books import Books
from tests.live.cast import Cast, model_on
from tests.live.conftest import Start
from tests.live.server import LiveServer

HI: list[Any] = [{"role": "user", "content": "Hello there."}]


@pytest.fixture(scope="module")
def second(start: Start) -> Generator[LiveServer]:
    """Another process on the same database."""
    with start() as running:
        yield running


def request(cast: Cast, address: str, key: str, **fields: Any) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {cast.globex_key}", "Idempotency-Key": key}
    return {"headers": headers, "json": {"model": address, "messages": HI, **fields}, "timeout": 60}


def slow(cast: Cast, *, chunk_ms: int) -> str:
    """An agent that takes its time, at a price."""
    return cast.publish(
        model="scripted/persona", options={"rules": [{"text": "one two three four five"}], "chunk_ms": chunk_ms}
    )


def test_a_key_that_died_with_its_process_is_free_once_its_money_is(
    start: Start, second: LiveServer, cast: Cast, books: Books
) -> None:
    address, key = slow(cast, chunk_ms=400), str(uuid4())
    asked = request(cast, address, key, stream=True)
    with start() as doomed, httpx.stream("POST", f"{doomed.url}/v1/chat/completions", **asked) as response:
        run_id = response.headers["x-robutler-run-id"]
        doomed.kill()

    leased = httpx.post(f"{second.url}/v1/chat/completions", **asked)
    books.let_lease_end(run_id)
    held = httpx.post(f"{second.url}/v1/chat/completions", **asked)
    books.let_time_pass([run_id])
    money.sweep()
    again = httpx.post(f"{second.url}/v1/chat/completions", **asked)
    replayed = httpx.post(f"{second.url}/v1/chat/completions", **asked)

    assert [answer.status_code for answer in (leased, held, again)] == [409, 409, 200]
    assert leased.json()["error"]["metadata"]["run_id"] == run_id
    assert again.headers["x-robutler-run-id"] != run_id
    assert "idempotent-replayed" not in again.headers
    assert replayed.content == again.content
    assert books.is_closed(run_id)


def test_an_answer_is_told_again_by_another_process(
    second: LiveServer, live: LiveServer, cast: Cast, upstream: Upstream
) -> None:
    address, key = cast.publish(model=model_on("openai", "echo")), str(uuid4())
    asked = request(cast, address, key, stream=True)

    before = len(upstream.log.exchanges)
    first = httpx.post(f"{live.url}/v1/chat/completions", **asked)
    other = httpx.post(f"{second.url}/v1/chat/completions", **asked)
    called = len(upstream.log.exchanges) - before

    assert first.content == other.content
    assert (first.status_code, other.headers["idempotent-replayed"], called) == (200, "true", 1)


@pytest.mark.parametrize("stream", [False, True])
def test_the_official_sdk_waits_for_the_answer_that_is_on_its_way(live: LiveServer, cast: Cast, stream: bool) -> None:
    address, key = slow(cast, chunk_ms=200), str(uuid4())
    texts: list[str] = []

    def ask() -> None:
        with OpenAI(base_url=f"{live.url}/v1", api_key=cast.globex_key, max_retries=5) as client:
            answer: Any = client.chat.completions.create(
                model=address, messages=HI, stream=stream, extra_headers={"Idempotency-Key": key}
            )
            if stream:
                chunks = list(answer)
                texts.append("".join(c.delta.content or "" for chunk in chunks for c in chunk.choices) + chunks[0].id)
            else:
                texts.append(answer.choices[0].message.content + answer.id)

    pair = [threading.Thread(target=ask) for _ in range(2)]
    for thread in pair:
        thread.start()
    for thread in pair:
        thread.join(60)

    assert len(texts) == 2
    assert texts[0] == texts[1]
    assert texts[0].startswith("one two three four five")


def test_a_run_can_be_read_from_another_process_right_after_its_end(
    second: LiveServer, live: LiveServer, cast: Cast
) -> None:
    address = slow(cast, chunk_ms=0)
    bearer = {"Authorization": f"Bearer {cast.globex_key}"}
    with httpx.Client(base_url=second.url, headers=bearer) as reader:
        reader.get("/v1/key")
        stream = httpx.post(f"{live.url}/v1/chat/completions", **request(cast, address, str(uuid4()), stream=True))
        run = reader.get(f"/v1/runs/{stream.headers['x-robutler-run-id']}")

    assert run.status_code == 200
    assert run.json()["status"] == "finished"
    assert run.json()["usage"]["output_tokens"] > 0
    assert int(run.json()["charged_nanos"]) > 0
