"""Looking on while a run goes on that was asked for elsewhere."""

import json
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.api.client import ApiClient, Server
from tests.api.talking import Talker, talking, text_of

WORDS = " ".join(f"word{number}" for number in range(40))
COMPLETIONS = "/v1/chat/completions"
END = ("run.finished", "run.failed", "run.over", "error")


@pytest.fixture
def slow(scripted: Callable[..., str]) -> str:
    """An agent that takes two seconds for its answer."""
    return scripted({"text": WORDS}, chunk_ms=50)


@contextmanager
def streaming(client: ApiClient, agent: str) -> Generator[str]:
    """A completion in progress, read to its end meanwhile; answers its run's id."""
    body = {"model": agent, "stream": True, "messages": [{"role": "user", "content": "Tell me."}]}
    with client.http.stream("POST", COMPLETIONS, json=body) as response:
        reader = threading.Thread(target=response.read)
        reader.start()
        yield response.headers["x-robutler-run-id"]
        reader.join()


def watching(client: ApiClient, server: Server, run_id: str) -> Any:
    key = client.http.headers["Authorization"].removeprefix("Bearer ")
    return talking(server.url, f"/ws/runs/{run_id}", key)


def seen(talker: Talker) -> list[dict[str, Any]]:
    return talker.hear_until(*END)[1:]


def test_a_run_is_seen_live_without_what_is_said_in_it(server: Server, acme_client: ApiClient, slow: str) -> None:
    with streaming(acme_client, slow) as run_id, watching(acme_client, server, run_id) as talker:
        messages = seen(talker)

    assert (messages[0]["type"], messages[0]["agent"]) == ("run.started", slow)
    assert (messages[-1]["type"], messages[-1]["status"]) == ("run.finished", "finished")
    assert sum(message["type"] == "delta" and message["characters"] > 0 for message in messages) > 1
    assert "word" not in json.dumps(messages)


def test_what_is_said_is_seen_where_the_agent_keeps_it(
    server: Server, acme_client: ApiClient, scripted: Callable[..., str]
) -> None:
    agent = scripted({"text": WORDS}, chunk_ms=50, keeps_content=True)

    with streaming(acme_client, agent) as run_id, watching(acme_client, server, run_id) as talker:
        messages = seen(talker)

    assert text_of(messages)
    assert WORDS.endswith(text_of(messages))


def test_of_a_run_that_is_over_it_is_told_what_it_came_to(server: Server, acme_client: ApiClient, greeter: str) -> None:
    answer = acme_client.post(COMPLETIONS, {"model": greeter, "messages": [{"role": "user", "content": "Hello!"}]})
    run_id = answer.headers["x-robutler-run-id"]

    with watching(acme_client, server, run_id) as talker:
        (over,) = seen(talker)

    assert (over["type"], over["run"], over["status"]) == ("run.over", run_id, "finished")


def test_the_runs_of_others_are_as_absent_as_those_that_never_were(
    server: Server, acme_client: ApiClient, globex_client: ApiClient, slow: str
) -> None:
    with streaming(acme_client, slow) as run_id, watching(globex_client, server, run_id) as talker:
        (theirs,) = seen(talker)
    with watching(globex_client, server, "01890000-0000-7000-8000-000000000000") as talker:
        (nobodys,) = seen(talker)

    assert theirs == nobodys
    assert theirs["error"]["code"] == "not_found"
