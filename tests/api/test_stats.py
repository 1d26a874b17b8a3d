"""Statistics: the whole for the operator, its own part for an organization."""

import pytest

from api import performance
from api.performance import Performance
from tenants.ids import uuid7
from tests.api.client import HELLO, ApiClient


def test_the_operator_sees_the_whole(stranger: ApiClient, acme_client: ApiClient, greeter: str, token: str) -> None:
    acme_client.post(f"/{greeter}/chat/completions", HELLO)

    answer = stranger.get("/stats", Authorization=f"Bearer {token}").json

    assert answer["server_info"].keys() >= {
        "version", "uptime_seconds", "static_agents", "dynamic_agents_enabled", "monitoring_enabled",
        "prometheus_enabled", "request_timeout",
    }  # fmt: skip
    assert answer["performance"].keys() == {
        "total_requests", "requests_last_minute", "active_requests", "average_response_time_ms", "error_rate",
        "last_updated",
    }  # fmt: skip
    assert answer["performance"]["total_requests"] >= 1
    assert answer["performance"]["requests_last_minute"] >= 1
    assert answer["dynamic_agent_factory"].keys() == {
        "caching_enabled", "cache_ttl", "agent_data_cache_size", "agent_instance_cache_size",
    }  # fmt: skip


def test_a_key_sees_its_organizations_part(acme_client: ApiClient, globex_client: ApiClient, greeter: str) -> None:
    for _ in range(3):
        acme_client.post(f"/{greeter}/chat/completions", HELLO)

    own, neighbours = acme_client.get("/stats").json, globex_client.get("/stats").json

    assert own["performance"]["total_requests"] == 3
    assert own["performance"]["error_rate"] == 0
    assert neighbours["performance"]["total_requests"] == 0
    assert "dynamic_agent_factory" not in own


@pytest.mark.usefixtures("token")
def test_others_see_nothing(stranger: ApiClient) -> None:
    assert stranger.get("/stats").code == (401, "authentication_error", "missing_api_key")
    assert stranger.get("/stats", Authorization="Bearer wrong").status == 401


def test_what_is_older_than_a_minute_is_not_of_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1_000.0]
    monkeypatch.setattr(performance, "monotonic", lambda: now[0])
    counted = Performance()
    for now[0] in (1_000.0, 1_030.0, 1_059.0, 1_061.0):
        counted.answered(status=500, seconds=0.5)

    figures = counted.figures()
    now[0] = 9_000.0

    assert figures["requests_last_minute"] == 3
    assert (figures["total_requests"], figures["error_rate"], figures["average_response_time_ms"]) == (4, 1.0, 500.0)
    assert counted.figures()["requests_last_minute"] == 0


def test_figures_are_kept_of_so_many_organizations_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(performance, "ORGANIZATIONS_AT_MOST", len(performance._of) + 2)
    first = uuid7()
    performance.of_organization(first).answered(status=200, seconds=0)

    for _ in range(performance.ORGANIZATIONS_AT_MOST):
        performance.of_organization(uuid7())

    assert first not in performance._of
    assert len(performance._of) == performance.ORGANIZATIONS_AT_MOST
