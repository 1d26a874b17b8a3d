"""Probes: alive, and ready for work."""

from threading import Event
from typing import Any

import pytest

from agents.services.drafts import SkillChoice
from api import drain
from tenants import readiness
from tests import make
from tests.api.client import HELLO, ApiClient


def test_it_is_alive(stranger: ApiClient) -> None:
    answer = stranger.get("/live")

    assert answer.status == 200
    assert answer.json["status"] == "alive"
    assert answer.json["uptime_seconds"] >= 0
    assert answer.json["timestamp"]


def test_it_is_ready(stranger: ApiClient) -> None:
    answer = stranger.get("/ready")

    assert answer.status == 200
    assert answer.json["status"] == "ready"
    assert answer.json["details"] == {"draining": False, "reason": None}


def test_a_process_on_its_way_out_is_alive_and_not_ready(
    acme_client: ApiClient, greeter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drain._drain, "begun", True)

    ready, alive = acme_client.get("/ready"), acme_client.get("/live")
    refused = acme_client.post(f"/{greeter}/chat/completions", HELLO)

    assert (ready.status, ready.json["status"]) == (503, "not_ready")
    assert alive.status == 200
    assert refused.code == (503, "server_error", "draining")
    assert refused.headers["retry-after"] == "1"


def test_a_database_away_is_not_ready(stranger: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "not_ready_because", lambda: readiness.AWAY)

    answer = stranger.get("/ready")

    assert answer.status == 503
    assert answer.json["details"]["reason"] == readiness.AWAY


def test_a_database_that_says_nothing_keeps_no_probe_waiting(
    stranger: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    speaks, asked = Event(), []

    def mute() -> str | None:
        asked.append(1)
        speaks.wait(60)
        return None

    monkeypatch.setattr(readiness, "not_ready_because", mute)
    monkeypatch.setattr(readiness, "PATIENCE_S", 0.1)
    try:
        answers = [stranger.get("/ready") for _ in range(3)]
        detailed, well = stranger.get("/health/detailed"), stranger.get("/health")
    finally:
        speaks.set()

    assert [answer.json["details"]["reason"] for answer in answers] == [readiness.AWAY] * 3
    assert len(asked) == 1
    assert detailed.json["components"]["database"] == {"status": "degraded", "reason": readiness.AWAY}
    assert detailed.json["status"] == "degraded"
    assert well.json["status"] == "healthy"


def test_it_says_which_version_it_is(stranger: ApiClient) -> None:
    answer = stranger.get("/health")

    assert answer.status == 200
    assert answer.json.keys() == {"status", "version", "timestamp"}


def test_strangers_see_how_the_parts_and_public_agents_are(stranger: ApiClient, acme: Any) -> None:
    public = make.published(acme, visibility="public", skills=[SkillChoice(skill="calculator")])
    private = make.published(acme)

    answer = stranger.get("/health/detailed").json

    agents = answer["agents"]
    assert agents[f"{acme.slug}/{public.slug}"] == {
        "status": "healthy",
        "skills": ["calculator"],
        "tools": ["calculate"],
    }
    assert not any(private.slug in name for name in agents)
    assert answer["components"] == {name: {"status": "healthy"} for name in ("database", "ledger", "broker", "worker")}
    assert answer["dynamic_agent_factory"]["status"] == "healthy"
    assert answer["dynamic_agent_factory"]["cache_size"] >= 1


def test_a_key_sees_its_own_agents_and_no_neighbours(
    acme_client: ApiClient, globex_client: ApiClient, greeter: str
) -> None:
    own, neighbours = acme_client.get("/health/detailed"), globex_client.get("/health/detailed")

    assert greeter in own.json["agents"]
    assert neighbours.json["agents"] == {}


def test_a_wrong_key_is_refused_rather_than_passed_over(stranger: ApiClient) -> None:
    answer = stranger.get("/health/detailed", Authorization="Bearer rb_live_wrong")

    assert answer.code == (401, "authentication_error", "invalid_api_key")


def test_probes_take_no_other_method(stranger: ApiClient) -> None:
    assert stranger.request("POST", "/live").code == (405, "invalid_request_error", "method_not_allowed")
    for path in ("/live", "/ready", "/health", "/health/detailed", "/stats"):
        head = stranger.request("HEAD", path)
        assert (head.status, head.body) == (200, b"")
