"""Whatever breaks inside, the client learns that it did and by which name to ask about it, and nothing else."""

from collections.abc import Callable
from typing import Any

import pytest

from agents import selectors
from agents.services import runs
from api.openai import router, shapes, wire
from tests.api.client import HELLO, Answer, ApiClient

WORDS = (
    'Traceback (most recent call last): File "/srv/robutler/x.py", line 1: psycopg.errors: SELECT secret FROM '
    "billing_account; SECRET_KEY=django-insecure; DATABASE_URL=postgresql://a:b@db/x; Python 3.11.7"
)
PRIVATE = (
    "Traceback", 'File "/', "psycopg", "SELECT", "SECRET", "billing_account", "DATABASE_URL", "RuntimeError", "3.11",
    "site-packages", "/srv/",
)  # fmt: skip


def broken(*_: object, **__: object) -> Any:
    raise RuntimeError(WORDS)


async def broken_later(*_: object, **__: object) -> Any:
    raise RuntimeError(WORDS)


def says_nothing(answer: Answer) -> bool:
    """Whether an answer is the plain 500, with a name for the request and no word of ours."""
    text = answer.body.decode()
    return (
        answer.code == (500, "server_error", "internal_error")
        and bool(answer.headers["x-request-id"])
        and not [word for word in PRIVATE if word in text or word in str(answer.headers)]
    )


def test_lg_04_a_plain_view_breaks(acme_client: ApiClient, greeter: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "start_run", broken_later)

    assert says_nothing(acme_client.post(f"/{greeter}/chat/completions", HELLO))


def test_lg_04_an_endpoint_breaks(acme_client: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selectors, "listed_for", broken_later)

    assert says_nothing(acme_client.get("/v1/models"))


def test_lg_04_a_serializer_breaks(acme_client: ApiClient, greeter: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "completion", broken)

    assert says_nothing(acme_client.post(f"/{greeter}/chat/completions", HELLO))


def test_lg_04_a_serializer_breaks_in_mid_stream(
    acme_client: ApiClient, greeter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire.Chunks, "encode", broken)

    answer = acme_client.post(f"/{greeter}/chat/completions", {**HELLO, "stream": True})

    text = answer.body.decode()
    assert "internal_error" in text
    assert not [word for word in PRIVATE if word in text]


@pytest.mark.parametrize("accept", ["application/json", "text/html"])
def test_lg_04_a_template_breaks(stranger: ApiClient, monkeypatch: pytest.MonkeyPatch, accept: str) -> None:
    monkeypatch.setattr(router, "render", broken)
    monkeypatch.setattr(shapes, "platform", broken if accept != "text/html" else shapes.platform)

    answer = stranger.get("/", Accept=accept)

    text = answer.body.decode()
    assert answer.status == 500
    assert answer.headers["x-request-id"]
    assert not [word for word in PRIVATE if word in text]


def test_lg_04_a_page_breaks(stranger: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.contrib.auth.forms import AuthenticationForm

    monkeypatch.setattr(AuthenticationForm, "__init__", broken)

    for accept in ("text/html", "application/json"):
        answer = stranger.get("/console/login/", Accept=accept)
        assert answer.status == 500
        assert answer.headers["x-request-id"]
        assert not [word for word in PRIVATE if word in answer.body.decode()]


def test_lg_04_a_tool_breaks(
    acme_client: ApiClient, scripted: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from agents.services.drafts import SkillChoice
    from skills.calculator import skill

    monkeypatch.setattr(skill, "evaluate", broken)
    call = {"name": "calculate", "arguments": {"expression": "1+1"}}
    agent = scripted({"calls": [call], "then": [{"text": "done"}]}, skills=[SkillChoice(skill="calculator")])

    answer = acme_client.post(f"/{agent}/chat/completions", HELLO, X_Robutler_Events="1")
    stream = acme_client.stream(f"/{agent}/chat/completions", HELLO, X_Robutler_Events="1")

    assert answer.json["choices"][0]["message"]["content"] == "done"
    told = answer.body.decode() + "\n".join(stream.frames)
    assert "event: robutler.tool" in told
    # Whoever asks for an agent's inner events is told the kind of what went wrong, as the model is.
    assert not [word for word in PRIVATE if word in told and word != "RuntimeError"]


def test_lg_04_a_model_skill_breaks(acme_client: ApiClient, greeter: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from skills.scripted.skill import ScriptedSkill

    monkeypatch.setattr(ScriptedSkill, "stream", broken)

    assert says_nothing(acme_client.post(f"/{greeter}/chat/completions", HELLO))
