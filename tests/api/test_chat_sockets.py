"""Talking to an agent over a WebSocket: one window or several, lost and found again."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from django.conf import settings

from tests import make
from tests.api.client import ApiClient, Server
from tests.api.talking import Talker, talking, text_of
from tests.live.waiting import eventually

WORDS = " ".join(f"word{number}" for number in range(40))
END = ("run.finished", "run.failed", "error")


@pytest.fixture
def key(acme_client: ApiClient) -> str:
    return acme_client.http.headers["Authorization"].removeprefix("Bearer ")


@pytest.fixture
def endless(scripted: Callable[..., str]) -> str:
    """An agent that speaks for a minute, unless it is stopped."""
    return scripted({"text": "word " * 1_200}, chunk_ms=50)


@pytest.fixture
def slow(scripted: Callable[..., str]) -> str:
    """An agent that takes two seconds for its answer."""
    return scripted({"text": WORDS}, chunk_ms=50)


def at(server: Server, agent: str, key: str | None = None, *, subprotocols: Sequence[str] = ()) -> Any:
    return talking(server.url, f"/ws/chat/{agent}", key, subprotocols=subprotocols)


def begun(talker: Talker, *, deltas: int) -> str:
    """The id of the run that was just asked for, once so much of its answer has come."""
    messages = talker.hear_until("run.started", "error")
    assert messages[-1]["type"] == "run.started", messages
    for _ in range(deltas):
        assert talker.hear()["type"] == "delta"
    return str(messages[-1]["run"])


def status_of(client: ApiClient, run_id: str) -> str:
    return str(client.get(f"/v1/runs/{run_id}").json["status"])


def test_an_agent_answers_and_the_run_is_the_same_as_by_http(
    server: Server, acme_client: ApiClient, acme: Any, key: str
) -> None:
    agent = make.published(acme, price_per_run_nanos=1_500_000).slug

    with at(server, agent, key) as talker:
        talker.chat("Hello!", reference="first")
        messages = talker.hear_until(*END)

    ready, started, *_, finished = messages
    assert ready == {"type": "ready", "organization": acme.slug}
    assert (started["type"], started["reference"], started["agent"]) == ("run.started", "first", agent)
    assert started["message"] == {"role": "user", "content": "Hello!"}
    assert "Hello" in text_of(messages)
    assert [message["seq"] for message in messages[1:]] == list(range(len(messages) - 1))
    assert (finished["type"], finished["status"], finished["finish_reason"]) == ("run.finished", "finished", "stop")
    told = acme_client.get(f"/v1/runs/{started['run']}").json
    assert told["charged_nanos"] == finished["charged_nanos"]
    assert finished["charged_nanos"] == "1500000"
    assert told["status"] == "finished"


def test_tools_are_shown_with_what_they_are_asked_and_what_they_answer(
    server: Server, key: str, scripted: Callable[..., str]
) -> None:
    from agents.services.drafts import SkillChoice

    rule = {"calls": [{"name": "calculate", "arguments": {"expression": "6*7"}}], "then": [{"text": "42."}]}
    agent = scripted(rule, skills=[SkillChoice(skill="calculator")])

    with at(server, agent, key) as talker:
        talker.chat("What is 6*7?")
        messages = talker.hear_until(*END)

    (asked,) = [message for message in messages if message["type"] == "tool.started"]
    (told,) = [message for message in messages if message["type"] == "tool.finished"]
    assert asked["name"] == "calculate"
    assert "6*7" in asked["arguments"]
    assert told["ok"] is True
    assert "42" in told["content"]
    assert [message["turn"] for message in messages if message["type"] == "turn.finished"] == [1, 2]


def test_a_key_may_come_as_the_first_message(server: Server, key: str, greeter: str) -> None:
    with at(server, greeter) as talker:
        talker.say(type="authenticate", key=key)
        talker.chat("Hello!")
        messages = talker.hear_until(*END)

    assert messages[-1]["type"] == "run.finished"


def test_a_browser_sends_its_key_as_a_subprotocol(server: Server, key: str, greeter: str) -> None:
    with at(server, greeter, subprotocols=("robutler", f"bearer.{key}")) as talker:
        talker.chat("Hello!")
        messages = talker.hear_until(*END)

    assert talker.connection.subprotocol == "robutler"
    assert messages[-1]["type"] == "run.finished"


def test_a_conversation_streams_in_both_windows(server: Server, key: str, slow: str) -> None:
    with at(server, slow, key) as one, at(server, slow, key) as other:
        other.say(type="follow", conversation="ours")
        other.say(type="ping")
        other.hear_until("pong")
        one.chat("Tell me.", conversation="ours")
        in_one = one.hear_until(*END)
        in_other = other.hear_until(*END)

    assert text_of(in_one) == WORDS
    assert [message for message in in_other if message["type"] != "pong"] == in_one[1:]


def test_a_conversation_of_another_key_is_not_heard(
    server: Server, acme_client: ApiClient, key: str, slow: str, acme: Any
) -> None:
    other_key = make.key(acme, permissions=["chat:write"])

    with at(server, slow, key) as one, at(server, slow, other_key) as other:
        other.say(type="follow", conversation="ours")
        other.say(type="ping")
        other.hear_until("pong")
        one.chat("Tell me.", conversation="ours")
        run_id = one.hear_until("run.started")[-1]["run"]
        one.hear_until(*END)
        other.say(type="resume", run=run_id)
        other.say(type="cancel", run=run_id)
        heard = other.hear_until("error")

    assert [message["type"] for message in heard] == ["error"]


def test_who_lost_its_socket_goes_on_where_it_was(server: Server, acme_client: ApiClient, key: str, slow: str) -> None:
    with at(server, slow, key) as talker:
        talker.chat("Tell me.")
        run_id = begun(talker, deltas=5)
        heard = [message for message in talker.heard if "seq" in message]

    with at(server, slow, key) as again:
        again.say(type="resume", run=run_id, after=heard[-1]["seq"])
        rest = again.hear_until(*END)[1:]

    assert [message["seq"] for message in heard + rest] == list(range(len(heard + rest)))
    assert text_of(heard + rest) == WORDS
    assert rest[-1]["status"] == "finished"
    assert status_of(acme_client, run_id) == "finished"


def test_a_run_that_is_over_is_told_again_to_whoever_missed_its_end(server: Server, key: str, greeter: str) -> None:
    with at(server, greeter, key) as talker:
        talker.chat("Hello!")
        first = talker.hear_until(*END)[1:]

    with at(server, greeter, key) as again:
        again.say(type="resume", run=first[0]["run"])
        second = again.hear_until(*END)[1:]

    assert second == first


def test_a_run_to_which_nobody_comes_back_is_ended_as_when_a_client_hangs_up(
    server: Server, acme_client: ApiClient, key: str, endless: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "ROBUTLER", settings.ROBUTLER.model_copy(update={"socket_grace_s": 0.0}))

    with at(server, endless, key) as talker:
        talker.chat("Tell me.")
        run_id = begun(talker, deltas=3)

    assert eventually(lambda: status_of(acme_client, run_id) != "running", within_s=30)
    assert status_of(acme_client, run_id) == "disconnected"


def test_a_run_is_stopped_when_its_client_says_so(
    server: Server, acme_client: ApiClient, key: str, endless: str
) -> None:
    with at(server, endless, key) as talker:
        talker.chat("Tell me.")
        run_id = begun(talker, deltas=3)
        talker.say(type="cancel", run=run_id)
        last = talker.hear_until(*END)[-1]
        talker.say(type="ping")
        still_there = talker.hear()

    assert (last["type"], last["status"]) == ("run.failed", "cancelled")
    assert still_there["type"] == "pong"
    assert status_of(acme_client, run_id) == "cancelled"


@pytest.mark.parametrize(
    ("message", "code", "param"),
    [
        ({"type": "chat", "reference": "r"}, "missing_required_parameter", "messages"),
        ({"type": "chat", "reference": "r", "messages": [], "made_up": 1}, "unknown_parameter", "made_up"),
        ({"type": "dance", "reference": "r"}, "invalid_value", "type"),
        ({"type": "resume", "reference": "r"}, "missing_required_parameter", "run"),
        ({"type": "resume", "run": "no-id"}, "invalid_value", "run"),
        ({"reference": "r"}, "missing_required_parameter", "type"),
    ],
)
def test_what_is_said_wrongly_is_told_and_the_socket_stays(
    server: Server, key: str, greeter: str, message: dict[str, Any], code: str, param: str
) -> None:
    with at(server, greeter, key) as talker:
        talker.say(**message)
        told = talker.hear_until("error")[-1]
        talker.chat("Hello!")
        after = talker.hear_until(*END)

    assert (told["error"]["code"], told["error"]["param"]) == (code, param)
    assert after[-1]["type"] == "run.finished"


def test_a_wallet_without_money_is_told_as_by_http(server: Server, acme: Any) -> None:
    agent = make.published(acme, price_per_run_nanos=1_500_000).slug

    with at(server, agent, make.key(acme, permissions=["chat:write"])) as talker:
        talker.chat("Hello!", reference="mine")
        told = talker.hear_until(*END)[-1]

    assert (told["type"], told["reference"]) == ("error", "mine")
    assert told["error"]["code"] == "credit_balance_exhausted"


def test_an_agent_that_is_not_there_is_told_at_once(server: Server, key: str) -> None:
    with at(server, "nobody", key) as talker:
        told = talker.hear_until("error")[-1]

    assert told["error"]["code"] == "model_not_found"
