"""Probes: alive, and ready for work."""

from typing import Any

import pytest

from api import drain
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


@pytest.mark.parametrize("reason", ["the database does not answer", None])
def test_a_database_away_is_not_ready(stranger: ApiClient, monkeypatch: pytest.MonkeyPatch, reason: str | None) -> None:
    from tenants.errors import TenantsUnavailable

    def away() -> Any:
        if reason is None:
            raise TenantsUnavailable("busy")
        return reason

    monkeypatch.setattr("api.health.not_ready_because", away)

    answer = stranger.get("/ready")

    assert answer.status == 503
    assert answer.json["details"]["reason"]


def test_probes_take_no_other_method(stranger: ApiClient) -> None:
    assert stranger.request("POST", "/live").code == (405, "invalid_request_error", "method_not_allowed")
    assert stranger.request("HEAD", "/live").status == 200
