"""Sockets that are opened from elsewhere, say nothing, say too much, or ask for what is another's."""

import json
import os
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from tenants.roles import Role
from tests import make
from tests.api.client import ApiClient, Server
from tests.api.talking import refused_with, talking
from tests.api.test_run_sockets import streaming

CANARY = "CANARY_B"


@pytest.fixture
def cookie(acme: Any) -> str:
    """The cookie of a member of Acme's who is signed in."""
    client = Client()
    client.force_login(make.member(acme, Role.OWNER).user)
    return f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"


def key_of(client: ApiClient) -> str:
    return client.http.headers["Authorization"].removeprefix("Bearer ")


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost.evil.example", "http://127.0.0.1:1"]
)
def test_ws_01_a_page_of_another_site_does_not_speak_for_who_is_signed_in(
    server: Server, greeter: str, cookie: str, origin: str
) -> None:
    status, body = refused_with(server.url, f"/ws/chat/{greeter}", Cookie=cookie, Origin=origin)

    assert status == 403
    assert json.loads(body)["error"]["code"] == "origin_not_allowed"


def test_ws_01_a_page_of_ours_does(server: Server, greeter: str, cookie: str) -> None:
    with talking(server.url, f"/ws/chat/{greeter}", Cookie=cookie, Origin=server.url) as talker:
        ready = talker.hear()

    assert ready["type"] == "ready"


def test_ws_02_a_session_without_an_origin_is_refused_and_a_key_is_not(
    server: Server, acme_client: ApiClient, greeter: str, cookie: str
) -> None:
    status, _ = refused_with(server.url, f"/ws/chat/{greeter}", Cookie=cookie)

    assert status == 403
    with talking(server.url, f"/ws/chat/{greeter}", key_of(acme_client)) as talker:
        assert talker.hear()["type"] == "ready"


def test_ws_03_who_says_nothing_is_left_in_time(server: Server, greeter: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "ROBUTLER", settings.ROBUTLER.model_copy(update={"socket_key_s": 0.2}))

    with talking(server.url, f"/ws/chat/{greeter}") as talker:
        assert talker.closed_with() == 4408

    assert talker.heard == []


@pytest.mark.parametrize("first", [{"type": "chat", "messages": []}, {"type": "authenticate", "key": "rb_live_no"}])
def test_ws_03_nobody_says_anything_before_who_it_is(server: Server, greeter: str, first: dict[str, Any]) -> None:
    with talking(server.url, f"/ws/chat/{greeter}") as talker:
        talker.say(**first)
        assert talker.closed_with() == 4401

    assert talker.heard[-1]["error"]["type"] == "authentication_error"


@pytest.mark.parametrize("size", [257 * 1024, 1_100_000])
def test_ws_04_a_message_that_is_too_large_closes_the_socket(
    server: Server, acme_client: ApiClient, greeter: str, size: int
) -> None:
    with talking(server.url, f"/ws/chat/{greeter}", key_of(acme_client)) as talker:
        talker.connection.send("x" * size)
        assert talker.closed_with() == 1009


def test_ws_05_a_flood_of_messages_closes_its_socket_and_no_other(
    server: Server, acme_client: ApiClient, globex_client: ApiClient, greeter: str, globex: Any
) -> None:
    other = make.published(globex).slug

    with (
        talking(server.url, f"/ws/chat/{other}", key_of(globex_client)) as neighbour,
        talking(server.url, f"/ws/chat/{greeter}", key_of(acme_client)) as talker,
    ):
        for _ in range(settings.ROBUTLER.socket_burst * 3):
            talker.say(type="ping")
        code = talker.closed_with()
        neighbour.say(type="ping")
        heard = neighbour.hear_until("pong")

    assert code == 4429
    assert len([message for message in talker.heard if message["type"] == "pong"]) < settings.ROBUTLER.socket_burst * 2
    assert heard[-1]["type"] == "pong"


def test_ws_06_one_socket_too_many_of_a_key_is_refused(
    server: Server, acme_client: ApiClient, greeter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "ROBUTLER", settings.ROBUTLER.model_copy(update={"sockets_per_caller": 2}))
    path, key = f"/ws/chat/{greeter}", key_of(acme_client)

    with talking(server.url, path, key) as one, talking(server.url, path, key) as two:
        assert one.hear()["type"] == two.hear()["type"] == "ready"
        status, body = refused_with(server.url, path, key)

    assert status == 429
    assert json.loads(body)["error"]["code"] == "too_many_concurrent_sockets"
    with talking(server.url, path, key) as again:
        assert again.hear()["type"] == "ready"


def test_ws_08_the_run_of_another_organization_is_not_heard(
    server: Server, acme_client: ApiClient, globex_client: ApiClient, greeter: str, globex: Any
) -> None:
    from agents.services.drafts import SkillChoice

    script = SkillChoice(skill="scripted", options={"rules": [{"text": f"{CANARY} " * 1_200}], "chunk_ms": 50})
    theirs = make.published(globex, skills=[script], keeps_content=True).slug

    with (
        streaming(globex_client, theirs) as run_id,
        talking(server.url, f"/ws/chat/{greeter}", key_of(acme_client)) as talker,
    ):
        for wish in ("subscribe", "resume", "cancel"):
            talker.say(type=wish, run=run_id)
            talker.hear_until("error")

    assert CANARY not in json.dumps(talker.heard)
    assert {message["error"]["code"] for message in talker.heard if message["type"] == "error"} == {
        "invalid_value", "not_found",
    }  # fmt: skip
    assert globex_client.get(f"/v1/runs/{run_id}").json["status"] != "cancelled"


def test_what_is_no_text_or_no_json_is_refused(server: Server, acme_client: ApiClient, greeter: str) -> None:
    with talking(server.url, f"/ws/chat/{greeter}", key_of(acme_client)) as talker:
        for junk in ("{", "[]", "null", '"text"', '{"type":1}', '{"type":"ping","reference":"\\ud800"}', "NaN"):
            talker.connection.send(junk)
            assert talker.hear_until("error")[-1]["error"]["type"] == "invalid_request_error"
        talker.connection.send(os.urandom(20))
        assert talker.closed_with() == 1003


def test_a_key_that_is_revoked_loses_its_socket(
    server: Server, acme: Any, scripted: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tenants.context import organization_context
    from tenants.models import ApiKey
    from tenants.services import revoke_key

    monkeypatch.setattr("api.ws.sockets.ASKED_AGAIN_S", 0.1)
    key = make.key(acme, permissions=["chat:write"])

    with talking(server.url, f"/ws/chat/{scripted({'text': 'Hi.'})}", key) as talker:
        assert talker.hear()["type"] == "ready"
        with organization_context(acme.id):
            revoke_key(ApiKey.objects.get(last_four=key[-4:]))
        assert talker.closed_with() == 4401


def test_there_is_nothing_at_other_addresses(server: Server, acme_client: ApiClient) -> None:
    for path in ("/ws/", "/ws/chat/", "/ws/runs/1", "/ws/chat/a/b/c", "/v1/chat/completions"):
        assert refused_with(server.url, path, key_of(acme_client))[0] == 403
