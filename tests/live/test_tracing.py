"""One trace, from the client's header over our log and the run to the upstream request."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.fakes.upstream import Upstream
from tests.live.books import Books
from tests.live.cast import Cast, model_on
from tests.live.conftest import Start
from tests.live.server import LiveServer
from tests.live.waiting import eventually

CLIENTS = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{CLIENTS}-00f067aa0ba902b7-01"
ABSENT = "0" * 32


@pytest.fixture(scope="module")
def observed(start: Start) -> Any:
    """A server that writes its log as production does."""
    with start(ROBUTLER_LOG_FORMAT="json") as running:
        yield running


@pytest.fixture
def trace(observed: LiveServer, cast: Cast, upstream: Upstream, books: Books) -> Callable[..., tuple[str, str, str]]:
    """Calls an agent; answers the trace's id in the access log, on the run, and as the upstream heard it."""

    def call(skill: str, **headers: str) -> tuple[str, str, str]:
        body = {"model": cast.publish(model=model_on(skill, "echo")), "messages": [{"role": "user", "content": "Hi."}]}
        asked = {"Authorization": f"Bearer {cast.globex_key}", **headers}
        answer = httpx.post(f"{observed.url}/v1/chat/completions", json=body, headers=asked, timeout=60)
        assert answer.status_code == 200, answer.text
        run_id = answer.headers["x-robutler-run-id"]
        heard = upstream.exchanges[-1].headers["traceparent"]
        return _in_log(observed, run_id), books.trace_of(run_id), heard

    return call


@pytest.mark.parametrize("skill", ["openai", "anthropic", "litellm"])
def test_the_clients_trace_goes_through_to_the_upstream(trace: Callable[..., tuple[str, str, str]], skill: str) -> None:
    logged, stored, heard = trace(skill, traceparent=TRACEPARENT)

    assert (logged, stored) == (CLIENTS, CLIENTS)
    assert heard == TRACEPARENT


@pytest.mark.parametrize("skill", ["openai", "anthropic", "litellm"])
def test_without_one_a_request_gets_a_trace_of_its_own(trace: Callable[..., tuple[str, str, str]], skill: str) -> None:
    first, second = trace(skill), trace(skill)

    for logged, stored, heard in (first, second):
        assert logged == stored == heard.split("-")[1] != ABSENT
    assert first[0] != second[0]


@pytest.mark.parametrize(
    "wrong",
    [
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        "4bf92f3577b34da6a3ce929d0e0e4736",
        "x" * 4_000,
    ],
)
def test_a_malformed_header_is_passed_over(trace: Callable[..., tuple[str, str, str]], wrong: str) -> None:
    logged, stored, heard = trace("openai", traceparent=wrong)

    assert logged == stored == heard.split("-")[1]
    assert logged != CLIENTS


def _in_log(server: LiveServer, run_id: str) -> str:
    def requests() -> list[dict[str, str]]:
        lines = [json.loads(line) for line in server.log.read_text().splitlines() if run_id in line]
        return [line for line in lines if line["event"] == "request"]

    # The line is written once the answer has gone out: whoever has read that may be here first.
    assert eventually(lambda: bool(requests()), within_s=10)
    (request,) = requests()
    assert request.keys() >= {"time", "level", "request_id", "run_id", "organization", "agent", "duration_ms", "status"}
    trace_id: str = request["trace_id"]
    return trace_id
