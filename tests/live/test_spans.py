"""With an SDK, a request is a tree of spans at the collector's; in none of them is a word of what was said."""

from collections.abc import Iterator

import httpx
import pytest

from tests.fakes.collector import Collector
from tests.fakes.upstream import Upstream
from tests.live.cast import Cast, model_on
from tests.live.conftest import Start
from tests.live.server import LiveServer
from tests.robutler_site.conftest import eventually

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = "00f067aa0ba902b7"
WORDS = "canary-of-the-client"


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with Collector() as running:
        yield running


@pytest.fixture(scope="module")
def traced(start: Start, collector: Collector) -> Iterator[LiveServer]:
    """A server that sends its traces to the collector."""
    with start(**collector.environment) as running:
        yield running


def call(server: LiveServer, cast: Cast, address: str, *, trace_id: str = TRACE, said: str = WORDS) -> httpx.Response:
    return httpx.post(
        f"{server.url}/v1/chat/completions",
        json={"model": address, "messages": [{"role": "user", "content": said}]},
        headers={"Authorization": f"Bearer {cast.globex_key}", "traceparent": f"00-{trace_id}-{CALLER}-01"},
        timeout=60,
    )


def test_a_request_is_a_tree_of_spans(traced: LiveServer, collector: Collector, cast: Cast, upstream: Upstream) -> None:
    address = cast.publish(model=model_on("openai", "tools-calculate:payload"), skills=[])
    answer = call(traced, cast, address, said='/tool-calculate {"expression": "6*7"}')
    assert answer.status_code == 200, answer.text
    heard = upstream.exchanges[-1].headers["traceparent"]

    slug = address.partition("/")[2]
    assert eventually(lambda: "POST chat.completions" in collector.tree(TRACE), within_s=10)
    tree = collector.tree(TRACE)
    model = next(name for name in tree if name.startswith("chat "))
    assert tree == {
        "POST chat.completions": CALLER,
        f"invoke_agent {slug}": "POST chat.completions",
        "ledger hold": f"invoke_agent {slug}",
        model: f"invoke_agent {slug}",
        "execute_tool calculate": f"invoke_agent {slug}",
        "ledger settle": f"invoke_agent {slug}",
    }
    spans = {span.name: span for span in collector.spans if span.trace_id == TRACE}
    assert heard.split("-")[1] == TRACE
    assert heard.split("-")[2] in {span.span_id for span in collector.spans if span.name == model}
    assert spans[model].attributes.keys() >= {
        "gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model", "gen_ai.response.model",
        "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "gen_ai.response.finish_reasons",
    }  # fmt: skip
    assert spans["execute_tool calculate"].attributes["gen_ai.tool.name"] == "calculate"
    assert spans["POST chat.completions"].attributes["http.response.status_code"] == 200
    assert b"6*7" not in collector.raw
    assert cast.globex_key[9:].encode() not in collector.raw


def test_what_fails_says_its_kind_and_no_word(traced: LiveServer, collector: Collector, cast: Cast) -> None:
    trace_id = "f" * 32
    answer = call(traced, cast, cast.publish(model=model_on("openai", "fault-500")), trace_id=trace_id)

    assert answer.status_code == 502
    assert eventually(lambda: "POST chat.completions" in collector.tree(trace_id), within_s=10)
    spans = [span for span in collector.spans if span.trace_id == trace_id]
    failed = {span.name.partition(" ")[0] for span in spans if span.failed}
    assert failed == {"POST", "invoke_agent", "chat"}
    assert {span.attributes["error.type"] for span in spans if span.failed} == {"upstream_failed", "ModelUnreachable"}
    assert not any(span.events for span in spans)
    assert WORDS.encode() not in collector.raw
