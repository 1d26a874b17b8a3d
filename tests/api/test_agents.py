"""Models, agents' pages and what their skills answer, and the platform itself."""

from collections.abc import Callable
from typing import Any

import pytest

from tests import make
from tests.api.client import ApiClient

Scripted = Callable[..., str]


def without_id(headers: Any) -> dict[str, str]:
    return {n: v for n, v in headers.items() if n not in ("x-request-id", "openai-processing-ms", "date")}


def test_models_are_the_agents_a_key_may_call(
    acme_client: ApiClient, globex_client: ApiClient, acme: Any, greeter: str, scripted: Scripted
) -> None:
    public = scripted({"text": "hi"}, visibility="public")

    own = {model["id"]: model for model in acme_client.get("/v1/models").json["data"]}
    other = {model["id"] for model in globex_client.get("/v1/models").json["data"]}

    assert own[greeter]["object"] == "model"
    assert own[greeter]["owned_by"] == acme.slug
    assert own[greeter]["created"] > 0
    assert {greeter, public} <= own.keys()
    assert f"{acme.slug}/{public}" in other
    assert not any(greeter in id for id in other)


def test_one_model_is_found_by_its_name(acme_client: ApiClient, acme: Any, greeter: str) -> None:
    assert acme_client.get(f"/v1/models/{greeter}").json["id"] == greeter
    assert acme_client.get(f"/v1/models/{acme.slug}/{greeter}").json["id"] == greeter


def test_a_neighbours_model_does_not_exist(globex_client: ApiClient, acme: Any, greeter: str) -> None:
    hidden, absent = globex_client.get(f"/v1/models/{acme.slug}/{greeter}"), globex_client.get("/v1/models/nobody")

    assert (hidden.status, hidden.body) == (absent.status, absent.body)
    assert hidden.code == (404, "invalid_request_error", "model_not_found")


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/x", "/v1/key"])
def test_these_need_a_key(stranger: ApiClient, path: str) -> None:
    answer = stranger.get(path)

    assert answer.code == (401, "authentication_error", "missing_api_key")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_key_that_may_not_read_lists_no_models(server: Any, acme: Any) -> None:
    with ApiClient(server.url, make.key(acme, permissions=["usage:read"])) as client:
        answer = client.get("/v1/models")

    assert answer.code == (403, "permission_error", "insufficient_scope")


def test_a_key_tells_of_itself(acme_client: ApiClient, acme: Any) -> None:
    key = acme_client.get("/v1/key").json

    assert key["organization"] == acme.slug
    assert "chat:write" in key["permissions"]
    assert key["test_mode"] is False


# --- agents -----------------------------------------------------------------------------------------------------------


def test_an_agent_introduces_itself(acme_client: ApiClient, acme: Any) -> None:
    from agents.services.drafts import SkillChoice

    slug = make.published(
        acme,
        description="Greets.",
        price_per_run_nanos=1_500_000,
        input_price_pico=2_500_000,
        markup_bps=150,
        skills=[SkillChoice(skill="calculator")],
    ).slug

    info = acme_client.get(f"/{slug}").json

    assert info == acme_client.get(f"/{slug}/info").json
    assert (info["agent"], info["description"]) == (slug, "Greets.")
    assert info["agent_data"]["tools"] == ["calculate"]
    assert info["agent_data"]["skills"] == ["calculator"]
    assert info["agent_data"]["model"] == "scripted/persona"
    assert info["agent_data"]["pricing"] == {
        "currency": "USD",
        "per_run": "0.0015",
        "markup_percent": "1.5",
        "per_million_input_tokens": "2.5",
        "per_million_output_tokens": "0",
    }
    assert info["endpoints"] == {
        "control": f"/{slug}",
        "info": f"/{slug}/info",
        "chat": f"/{slug}/chat/completions",
    }


@pytest.mark.parametrize("end", ["", "/info"])
def test_a_public_agent_is_open_and_a_private_one_hidden(
    stranger: ApiClient, globex_client: ApiClient, acme: Any, greeter: str, scripted: Scripted, end: str
) -> None:
    public = scripted({"text": "hi"}, visibility="public")

    for client in (stranger, globex_client):
        shown = client.get(f"/{acme.slug}/{public}{end}")
        hidden, absent = client.get(f"/{acme.slug}/{greeter}{end}"), client.get(f"/nobody/nothing{end}")

        assert shown.json["agent"] == public
        assert (hidden.status, hidden.body) == (absent.status, absent.body)
        assert without_id(hidden.headers) == without_id(absent.headers)
        assert hidden.code == (404, "invalid_request_error", "agent_not_found")
        assert hidden.json["detail"] == hidden.error["message"]


def test_without_a_key_one_segment_names_nobody(stranger: ApiClient, scripted: Scripted) -> None:
    answer = stranger.get(f"/{scripted({'text': 'hi'}, visibility='public')}")

    assert answer.code == (404, "invalid_request_error", "agent_not_found")


def test_a_wrong_key_is_refused_also_where_none_is_needed(server: Any) -> None:
    with ApiClient(server.url, "rb_live_wrong") as client:
        assert client.get("/somebody/something").code == (401, "authentication_error", "invalid_api_key")


def test_an_agents_page_takes_no_other_method(acme_client: ApiClient, greeter: str) -> None:
    answer = acme_client.post(f"/{greeter}", {})

    assert answer.code == (405, "invalid_request_error", "method_not_allowed")
    assert "GET" in answer.headers["allow"]


# --- what skills answer -----------------------------------------------------------------------------------------------


@pytest.fixture
def board(acme: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """An agent of Acme's, open to all, with a skill that answers over HTTP."""
    from agents.services.drafts import SkillChoice
    from skills import registry
    from tests.api.board import BoardSkill

    monkeypatch.setattr(registry, "names", lambda known=registry.names: [*known(), "board"])
    monkeypatch.setattr(
        registry, "skill_class", lambda name, known=registry.skill_class: BoardSkill if name == "board" else known(name)
    )
    slug: str = make.published(acme, visibility="public", skills=[SkillChoice(skill="board")]).slug
    return slug


def test_a_handler_answers_under_both_addresses(acme_client: ApiClient, acme: Any, board: str) -> None:
    for address in (f"/{board}", f"/{acme.slug}/{board}"):
        answer = acme_client.get(f"{address}/notes/7?loud=true")

        assert answer.json == {"note": 7, "loud": True, "asked_by": str(acme.id)}
    assert "GET /notes/{id}" in acme_client.get(f"/{board}").json["endpoints"]["http"]


def test_a_handler_takes_a_body_and_answers_text_or_bytes(acme_client: ApiClient, board: str) -> None:
    text, data = acme_client.post(f"/{board}/notes", {"text": "hi"}), acme_client.get(f"/{board}/raw")

    assert (text.headers["content-type"], text.body) == ("text/plain; charset=utf-8", b"noted: hi")
    assert (data.headers["content-type"], data.body) == ("application/octet-stream", b"\x00\x01")


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"text": 5}', b"{}"])
def test_what_does_not_fit_a_handler_is_a_400(acme_client: ApiClient, board: str, body: bytes) -> None:
    assert acme_client.post(f"/{board}/notes", body).code == (400, "invalid_request_error", "invalid_value")


def test_a_handlers_scope_is_checked(
    stranger: ApiClient, globex_client: ApiClient, acme_client: ApiClient, acme: Any, board: str
) -> None:
    path = f"/{acme.slug}/{board}/secret"

    assert stranger.get(path).code == (401, "authentication_error", "missing_api_key")
    assert globex_client.get(path).code == (403, "permission_error", "insufficient_scope")
    assert acme_client.get(path).body == b"for owners"


def test_a_stranger_may_use_what_is_for_all(stranger: ApiClient, acme: Any, board: str) -> None:
    assert stranger.get(f"/{acme.slug}/{board}/notes/7").json["asked_by"] == ""


def test_a_path_or_method_nobody_handles_is_told(acme_client: ApiClient, board: str) -> None:
    absent, wrong = acme_client.get(f"/{board}/nothing/here"), acme_client.request("DELETE", f"/{board}/notes")

    assert absent.code == (404, "invalid_request_error", "agent_not_found")
    assert wrong.status == 405
    assert wrong.headers["allow"] == "POST"


# --- the platform -----------------------------------------------------------------------------------------------------


def test_the_platform_introduces_itself_to_programs(stranger: ApiClient, acme: Any, scripted: Scripted) -> None:
    public = scripted({"text": "hi"}, visibility="public")

    home = stranger.get("/").json

    assert f"{acme.slug}/{public}" in home["agents"]
    assert home["version"]
    assert home["endpoints"]["chat"] == "/v1/chat/completions"


def test_a_browser_gets_a_page(stranger: ApiClient) -> None:
    answer = stranger.get("/", Accept="text/html,application/xhtml+xml")

    assert answer.headers["content-type"].startswith("text/html")
    assert b"<h1>" in answer.body
    assert "default-src" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("path", ["/v1/nothing", "/nobody", "/Not-A-Slug", "/v1/models/"])
def test_what_is_not_there_is_told_in_shape(acme_client: ApiClient, path: str) -> None:
    answer = acme_client.get(path)

    assert answer.code[:2] == (404, "invalid_request_error")
    assert answer.headers["x-request-id"]


def test_a_wrong_method_is_told_in_shape(acme_client: ApiClient) -> None:
    answer = acme_client.post("/v1/models", {})

    assert answer.code == (405, "invalid_request_error", "method_not_allowed")
    assert "GET" in answer.headers["allow"]


def test_a_wrong_host_is_told_in_shape(stranger: ApiClient) -> None:
    answer = stranger.get("/v1/models", Host="evil.example")

    assert answer.status == 400
    assert answer.error["type"] == "invalid_request_error"


def test_a_browser_that_errs_gets_a_page(stranger: ApiClient) -> None:
    answer = stranger.get("/v1/nothing", Accept="text/html")

    assert answer.status == 404
    assert answer.headers["content-type"].startswith("text/html")


def test_django_too_reads_no_more_than_it_should(acme_client: ApiClient, settings: Any) -> None:
    settings.ROBUTLER = settings.ROBUTLER.model_copy(update={"body_limit_bytes": 2000})

    def pieces() -> Any:
        yield b"x" * 1500
        yield b"x" * 1500

    said = acme_client.request("POST", "/nobody/things", content=b"x" * 3000)
    streamed = acme_client.http.post("/nobody/things", content=pieces())

    assert said.code == (413, "invalid_request_error", "request_too_large")
    assert streamed.status_code == 413
