"""Metrics: they move with real requests, and say nothing about who asked."""

from collections.abc import Callable

import pytest

from tests.api.client import HELLO, ApiClient
from tests.scrapes import Grown, values_in

ROUTE = "chat.completions"


def page(client: ApiClient) -> str:
    answer = client.get("/metrics")
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return answer.body.decode()


@pytest.fixture
def grown(stranger: ApiClient) -> Grown:
    """What the test's own requests did."""
    return Grown(lambda: page(stranger))


def test_a_whole_completion_moves_what_it_should(grown: Grown, acme_client: ApiClient, greeter: str) -> None:
    acme_client.post(f"/{greeter}/chat/completions", HELLO)

    assert grown.by("robutler_http_requests_total", method="POST", route=ROUTE, status="200") == 1
    assert grown.by("robutler_http_request_duration_seconds_count", route=ROUTE) == 1
    assert grown.by("robutler_agent_requests_total", stream="false") == 1
    assert grown.by("robutler_overhead_seconds_count") == 1
    assert grown.by("robutler_tokens_used_total", model="scripted", kind="input") > 0
    assert grown.by("robutler_tokens_used_total", model="scripted", kind="output") > 0


def test_a_stream_moves_what_it_should(grown: Grown, acme_client: ApiClient, greeter: str) -> None:
    acme_client.stream(f"/{greeter}/chat/completions", HELLO)

    assert grown.by("robutler_agent_requests_total", stream="true") == 1
    assert grown.by("robutler_time_to_first_chunk_seconds_count") == 1
    assert grown.by("robutler_overhead_seconds_count") == 1


def test_the_models_time_is_none_of_ours(grown: Grown, acme_client: ApiClient, scripted: Callable[..., str]) -> None:
    slow = scripted({"text": "slowly", "delay_ms": 1200})

    acme_client.post(f"/{slow}/chat/completions", HELLO)

    assert grown.by("robutler_http_request_duration_seconds_sum", route=ROUTE) >= 1.2
    assert grown.by("robutler_overhead_seconds_bucket", le="1.0") == 1


def test_tools_are_counted_by_their_skill(grown: Grown, acme_client: ApiClient, scripted: Callable[..., str]) -> None:
    from agents.services.drafts import SkillChoice

    calls = [{"name": "calculate", "arguments": {"expression": "6*7"}}, {"name": "nothing"}]
    agent = scripted({"calls": calls, "then": [{"text": "done"}]}, skills=[SkillChoice(skill="calculator")])

    acme_client.post(f"/{agent}/chat/completions", HELLO)

    assert grown.by("robutler_tool_calls_total", skill="calculator", status="ok") == 1
    assert grown.by("robutler_tool_calls_total", skill="other", status="failed") == 1


def test_errors_are_counted_by_their_code(grown: Grown, acme_client: ApiClient, scripted: Callable[..., str]) -> None:
    failing = scripted({"error": "overloaded"})

    acme_client.post(f"/{failing}/chat/completions", HELLO)
    acme_client.post("/nobody/chat/completions", HELLO)

    assert grown.by("robutler_agent_errors_total", error_type="upstream_overloaded") == 1
    assert grown.by("robutler_agent_errors_total", error_type="model_not_found") == 1


def test_what_django_answers_is_counted_by_its_route(
    grown: Grown, stranger: ApiClient, acme_client: ApiClient, greeter: str
) -> None:
    acme_client.get("/v1/models")
    acme_client.get(f"/v1/models/{greeter}")
    acme_client.get(f"/{greeter}/info")
    stranger.get("/console/login/")
    stranger.get("/-/nothing")

    statuses = {
        "/v1/models": "200",
        "/v1/models/<path:id>": "200",
        "/<agent_path:path>": "200",
        "console": "200",
        "unknown": "404",
    }
    counted = {
        route: grown.by("robutler_http_requests_total", method="GET", route=route, status=status)
        for route, status in statuses.items()
    }
    assert counted == dict.fromkeys(statuses, 1)


def test_what_stands_in_the_books_and_queues_is_there(stranger: ApiClient, acme_client: ApiClient) -> None:
    acme_client.get("/v1/models")

    values = values_in(page(stranger))

    nothing: frozenset[tuple[str, str]] = frozenset()
    assert values["robutler_database_up", nothing] == 1
    assert values["robutler_ledger_imbalance", nothing] == 0
    assert values["robutler_holds_open", nothing] >= 0
    assert values["robutler_settlement_lag_seconds", nothing] >= 0
    assert values["robutler_dynamic_agents_cache_size", nothing] >= 0
    for queue in ("tools", "billing", "maintenance"):
        assert values["robutler_queue_depth", frozenset({("queue", queue)})] >= 0
    assert values["robutler_database_pool_connections", frozenset({("alias", "default"), ("state", "open")})] >= 1


def test_statements_are_counted_by_database(grown: Grown, acme_client: ApiClient) -> None:
    acme_client.get("/v1/models")

    assert grown.by("django_db_execute_total", alias="default", vendor="postgresql") > 0
    assert grown.by("django_db_query_duration_seconds_count", alias="default", vendor="postgresql") > 0
