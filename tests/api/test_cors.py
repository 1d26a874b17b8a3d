"""Which pages of other sites may call the API from a browser: those the operator names, with a key, without cookies."""

from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings

from tests.api.client import HELLO, ApiClient

OURS, OTHER = "https://app.example", "https://evil.example"
ROUTES = (
    "/v1/chat/completions", "/acme/greeter/chat/completions", "/v1/embeddings", "/v1/models", "/v1/key", "/", "/health",
    "/acme/greeter/info", "/v1/nothing/here",
)  # fmt: skip

Allow = Callable[..., None]


@pytest.fixture
def allow(monkeypatch: pytest.MonkeyPatch) -> Allow:
    """Name the origins that may call."""

    def name(*origins: str) -> None:
        monkeypatch.setattr(settings, "ROBUTLER", settings.ROBUTLER.model_copy(update={"cors_origins": origins}))

    return name


def asked(client: ApiClient, path: str, origin: str, *, headers: str = "authorization") -> Any:
    """What a browser hears before it sends a request."""
    return client.request(
        "OPTIONS",
        path,
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": headers,
        },
    )


@pytest.mark.parametrize("path", ROUTES)
def test_every_address_of_the_api_answers_a_preflight(stranger: ApiClient, allow: Allow, path: str) -> None:
    allow(OURS)

    ours, others = asked(stranger, path, OURS), asked(stranger, path, OTHER)

    assert (ours.status, others.status) == (204, 204)
    assert ours.headers["access-control-allow-origin"] == OURS
    assert "POST" in ours.headers["access-control-allow-methods"]
    assert "idempotency-key" in ours.headers["access-control-allow-headers"]
    assert not [name for name in others.headers if name.startswith("access-control")]
    assert others.headers["vary"] == "Origin"


@pytest.mark.parametrize("path", ROUTES)
def test_every_answer_may_be_read_by_whom_the_operator_named(
    acme_client: ApiClient, allow: Allow, greeter: str, path: str
) -> None:
    allow(OURS, "https://second.example")

    ours, others = acme_client.get(path, Origin=OURS), acme_client.get(path, Origin=OTHER)

    assert ours.headers["access-control-allow-origin"] == OURS
    assert "access-control-allow-origin" not in others.headers
    assert "access-control-allow-credentials" not in ours.headers


def test_a_page_may_read_what_we_say_beside_the_answer(acme_client: ApiClient, allow: Allow, greeter: str) -> None:
    allow(OURS)

    answer = acme_client.post(f"/{greeter}/chat/completions", HELLO, Origin=OURS)

    simple = {"content-type", "content-length", "cache-control", "date", "server", "vary", "x-content-type-options"}
    exposed = {name.strip().lower() for name in answer.headers["access-control-expose-headers"].split(",")}
    said = {name.lower() for name in answer.headers if not name.startswith(("access-control", "content-security"))}
    assert said - simple <= exposed


def test_what_the_official_sdk_says_of_itself_is_let_through(stranger: ApiClient, allow: Allow) -> None:
    allow(OURS)

    answer = asked(
        stranger, ROUTES[0], OURS, headers="authorization, x-stainless-os, x-stainless-retry-count, cookie, x-y"
    )

    allowed = set(answer.headers["access-control-allow-headers"].split(", "))
    assert {"x-stainless-os", "x-stainless-retry-count"} <= allowed
    assert not {"cookie", "x-y"} & allowed


@pytest.mark.parametrize("path", ["/console/login/", "/admin/login/", "/static/nothing", "/metrics"])
def test_pages_and_metrics_are_nobody_elses(stranger: ApiClient, allow: Allow, path: str) -> None:
    allow("*")

    for answer in (stranger.get(path, Origin=OURS), asked(stranger, path, OURS)):
        assert not [name for name in answer.headers if name.startswith("access-control")]


def test_everybody_may_come_without_credentials(stranger: ApiClient, allow: Allow) -> None:
    allow("*")

    for answer in (asked(stranger, ROUTES[0], OTHER), stranger.get("/", Origin=OTHER)):
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize(
    "origin", ["null", "https://app.example.evil.example", "https://app.example:8443", "HTTPS://APP.EXAMPLE"]
)
def test_an_origin_that_is_nearly_the_same_is_another(stranger: ApiClient, allow: Allow, origin: str) -> None:
    allow(OURS)

    assert "access-control-allow-origin" not in stranger.get("/", Origin=origin).headers


def test_by_default_no_other_site_may_call(stranger: ApiClient) -> None:
    answer = asked(stranger, ROUTES[0], OURS)

    assert answer.status == 204
    assert not [name for name in answer.headers if name.startswith("access-control")]
