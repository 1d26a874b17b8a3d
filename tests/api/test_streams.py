"""Streams to clients who wait, leave, or stop reading."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from agents.services import runs
from tests.api.client import HELLO, ApiClient, raw, received

Scripted = Callable[..., str]
COMPLETIONS = "/v1/chat/completions"


@pytest.fixture
def impatient(settings: Any) -> None:
    """A comment after every tenth of a second of silence."""
    settings.ROBUTLER = settings.ROBUTLER.model_copy(update={"keep_alive_s": 0.1})


def eventually(holds: Callable[[], bool], *, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@contextmanager
def asked(client: ApiClient, body: dict[str, Any]) -> Iterator[socket.socket]:
    """A bare connection on which a completion was asked for."""
    content = json.dumps({**HELLO, **body}).encode()
    head = (
        f"POST {COMPLETIONS} HTTP/1.1\r\nHost: x\r\nAuthorization: {client.http.headers['Authorization']}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    with raw(client.base_url, head.encode() + content) as connection:
        yield connection


@pytest.mark.usefixtures("impatient")
def test_silence_is_filled_with_comments(acme_client: ApiClient, scripted: Scripted) -> None:
    slug = scripted({"text": "one two", "delay_ms": 350}, chunk_ms=250)

    stream = acme_client.stream(COMPLETIONS, {"model": slug, **HELLO})

    assert stream.frames[0] == ": keep-alive"
    assert stream.frames.count(": keep-alive") >= 4
    assert stream.text == "one two"


@pytest.mark.usefixtures("impatient")
def test_who_fails_after_a_silence_fails_in_the_stream(acme_client: ApiClient, scripted: Scripted) -> None:
    slug = scripted({"error": "unreachable", "delay_ms": 300})

    stream = acme_client.stream(COMPLETIONS, {"model": slug, **HELLO})

    assert stream.status == 200
    assert [chunk["error"]["code"] for chunk in stream.chunks] == ["upstream_failed"]
    assert stream.frames[-1] == "data: [DONE]"


@pytest.mark.parametrize("streamed", [False, True])
def test_a_client_that_leaves_ends_its_run(acme_client: ApiClient, scripted: Scripted, *, streamed: bool) -> None:
    slug = scripted({"text": "word " * 1000}, chunk_ms=20)
    before = runs.active_runs()

    with asked(acme_client, {"model": slug, "stream": streamed}):
        assert eventually(lambda: runs.active_runs() > before, within_s=5)

    assert eventually(lambda: runs.active_runs() == before, within_s=1)


def test_an_agent_may_finish_for_nobody(acme_client: ApiClient, scripted: Scripted) -> None:
    slug = scripted({"text": "word " * 40}, chunk_ms=20, on_disconnect="finish")
    before = runs.active_runs()

    with asked(acme_client, {"model": slug, "stream": True}) as connection:
        connection.recv(1)

    assert not eventually(lambda: runs.active_runs() == before, within_s=0.3)
    assert eventually(lambda: runs.active_runs() == before, within_s=5)


def test_a_client_that_reads_nothing_is_cut(acme_client: ApiClient, scripted: Scripted, settings: Any) -> None:
    settings.ROBUTLER = settings.ROBUTLER.model_copy(update={"write_stall_s": 0.3})
    settle = runs.active_runs()
    slug = scripted({"text": "x" * 1_000_000}, chunk_chars=10_000)

    with asked(acme_client, {"model": slug, "stream": True, "n": 20}) as connection:
        assert eventually(lambda: runs.active_runs() > settle, within_s=5)
        assert eventually(lambda: runs.active_runs() == settle, within_s=20)
        tail = list(received(connection))[-1]

    assert b"[DONE]" not in tail
