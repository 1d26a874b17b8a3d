"""Looking on while a run goes on that was asked for elsewhere."""

import contextlib
import json
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.api.client import ApiClient, Server
from tests.api.talking import Talker, talking, text_of

COMPLETIONS = "/v1/chat/completions"
END = ("run.finished", "run.failed", "run.over", "error")


@pytest.fixture
def endless(scripted: Callable[..., str]) -> str:
    """An agent that speaks for a minute, unless its caller leaves."""
    return scripted({"text": "word " * 1_200}, chunk_ms=50)


@contextmanager
def streaming(client: ApiClient, agent: str) -> Generator[str]:
    """A completion in progress, which its caller leaves at the end; answers its run's id."""
    body = {"model": agent, "stream": True, "messages": [{"role": "user", "content": "Tell me."}]}
    with client.http.stream("POST", COMPLETIONS, json=body) as response:
        yield response.headers["x-robutler-run-id"]


def watching(client: ApiClient, server: Server, run_id: str) -> Any:
    key = client.http.headers["Authorization"].removeprefix("Bearer ")
    return talking(server.url, f"/ws/runs/{run_id}", key)


def seen(talker: Talker) -> list[dict[str, Any]]:
    return talker.hear_until(*END)[1:]


def test_a_run_is_seen_live_without_what_is_said_in_it(server: Server, acme_client: ApiClient, endless: str) -> None:
    with contextlib.ExitStack() as caller:
        run_id = caller.enter_context(streaming(acme_client, endless))
        with watching(acme_client, server, run_id) as talker:
            started = talker.hear_until("run.started")[-1]
            pieces = [talker.hear_until("delta")[-1] for _ in range(2)]
            caller.close()
            last = talker.hear_until(*END)[-1]

    assert started["agent"] == endless
    assert all(piece["characters"] > 0 for piece in pieces)
    assert (last["type"], last["status"]) == ("run.finished", "disconnected")
    assert "word" not in json.dumps(talker.heard)


def test_what_is_said_is_seen_where_the_agent_keeps_it(
    server: Server, acme_client: ApiClient, scripted: Callable[..., str]
) -> None:
    agent = scripted({"text": "word " * 1_200}, chunk_ms=50, keeps_content=True)

    with streaming(acme_client, agent) as run_id, watching(acme_client, server, run_id) as talker:
        messages = talker.hear_until("delta")

    assert text_of(messages).strip().startswith("word")


def test_of_a_run_that_is_over_it_is_told_what_it_came_to(server: Server, acme_client: ApiClient, greeter: str) -> None:
    answer = acme_client.post(COMPLETIONS, {"model": greeter, "messages": [{"role": "user", "content": "Hello!"}]})
    run_id = answer.headers["x-robutler-run-id"]

    with watching(acme_client, server, run_id) as talker:
        (over,) = seen(talker)

    assert (over["type"], over["run"], over["status"]) == ("run.over", run_id, "finished")


def test_the_runs_of_others_are_as_absent_as_those_that_never_were(
    server: Server, acme_client: ApiClient, globex_client: ApiClient, endless: str
) -> None:
    with streaming(acme_client, endless) as run_id, watching(globex_client, server, run_id) as talker:
        (theirs,) = seen(talker)
    with watching(globex_client, server, "01890000-0000-7000-8000-000000000000") as talker:
        (nobodys,) = seen(talker)

    assert theirs == nobodys
    assert theirs["error"]["code"] == "not_found"
