"""Requests that an SDK sends again without an Idempotency-Key: which of them are one, and which are not."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests import make
from tests.api.client import HELLO, Answer, ApiClient

Scripted = Callable[..., str]
SLOW_MS = 1_500
CROWD = 8


def ask(client: ApiClient, slug: str, *, tried: int | None, body: Any = HELLO, **headers: str) -> Answer:
    """Ask as an SDK that has tried so often before; None: as somebody who says nothing of it."""
    counted = {} if tried is None else {"x_stainless_retry_count": str(tried)}
    return client.post(f"/{slug}/chat/completions", body, **counted, **headers)


def runs_of(client: ApiClient, slug: str) -> list[Any]:
    """The runs of an agent, once all that ended are written."""
    from agents.adapters.run_writer import run_writer

    assert run_writer().flush(timeout_s=10)
    found: list[Any] = client.http.get("/v1/runs", params={"agent": slug}).json()["data"]
    return found


def leave(client: ApiClient, slug: str, *, tried: int = 0, after_s: float = 0.3) -> None:
    """Ask, and be gone before the answer."""
    headers = {"x-stainless-retry-count": str(tried), "Content-Type": "application/json"}
    with pytest.raises(httpx.ReadTimeout):
        client.http.post(
            f"/{slug}/chat/completions", content=json.dumps(HELLO).encode(), headers=headers, timeout=after_s
        )


@pytest.fixture
def slow(scripted: Scripted) -> str:
    """An agent that thinks before it answers."""
    return scripted({"text": "one two three", "delay_ms": SLOW_MS})


def test_p14_a_crowd_of_next_tries_is_told_the_answer_that_is_on_its_way(acme_client: ApiClient, slow: str) -> None:
    with ThreadPoolExecutor(CROWD + 1) as crowd:
        first = crowd.submit(ask, acme_client, slow, tried=0)
        time.sleep(0.3)
        others = [crowd.submit(ask, acme_client, slow, tried=1 + n % 3) for n in range(CROWD)]

    answers = [each.result() for each in others]
    assert {(answer.status, answer.body) for answer in answers} == {(200, first.result().body)}
    assert {answer.headers["idempotent-replayed"] for answer in answers} == {"true"}
    assert "idempotent-replayed" not in first.result().headers
    assert len(runs_of(acme_client, slow)) == 1


def test_who_waited_and_left_may_come_once_more(acme_client: ApiClient, slow: str) -> None:
    leave(acme_client, slow)
    leave(acme_client, slow, tried=1)

    answer = ask(acme_client, slow, tried=2)

    assert (answer.status, answer.headers["idempotent-replayed"]) == (200, "true")
    (run,) = runs_of(acme_client, slow)
    assert run["status"] == "finished"


def test_an_answer_that_nobody_heard_is_told_to_the_next_try(acme_client: ApiClient, scripted: Scripted) -> None:
    slug = scripted({"text": "one two three", "delay_ms": 600})
    leave(acme_client, slug)
    time.sleep(0.6)

    answer = ask(acme_client, slug, tried=1)

    assert (answer.status, answer.headers["idempotent-replayed"]) == (200, "true")
    assert len(runs_of(acme_client, slug)) == 1


@pytest.mark.parametrize("tried", [None, 0])
def test_two_first_tries_are_two_runs(acme_client: ApiClient, slow: str, tried: int | None) -> None:
    with ThreadPoolExecutor(2) as pair:
        answers = list(pair.map(lambda _: ask(acme_client, slow, tried=tried), range(2)))

    assert len({answer.headers["x-robutler-run-id"] for answer in answers}) == 2


def test_another_body_or_another_limit_is_another_request(acme_client: ApiClient, slow: str) -> None:
    leave(acme_client, slow)

    other = ask(acme_client, slow, tried=1, body={**HELLO, "temperature": 0.1})
    bounded = ask(acme_client, slow, tried=1, X_Max_Cost_USD="5")

    assert "idempotent-replayed" not in {*other.headers, *bounded.headers}


def test_another_key_is_told_nothing(server: Any, acme_client: ApiClient, acme: Any, slow: str) -> None:
    leave(acme_client, slow)

    with ApiClient(server.url, make.key(acme)) as colleague:
        answer = ask(colleague, slow, tried=1)

    assert answer.status == 200
    assert "idempotent-replayed" not in answer.headers


def test_a_neighbour_is_told_nothing(
    acme_client: ApiClient, globex_client: ApiClient, acme: Any, scripted: Scripted
) -> None:
    slug = f"{acme.slug}/{scripted({'text': 'hi', 'delay_ms': SLOW_MS}, visibility='public')}"
    leave(acme_client, slug)

    answer = ask(globex_client, slug, tried=1)

    assert answer.status == 200
    assert "idempotent-replayed" not in answer.headers


def test_a_failure_that_cost_nothing_is_tried_again(acme_client: ApiClient, scripted: Scripted) -> None:
    slug = scripted({"error": "overloaded", "delay_ms": 800})

    with ThreadPoolExecutor(2) as pair:
        first = pair.submit(ask, acme_client, slug, tried=0)
        time.sleep(0.3)
        second = pair.submit(ask, acme_client, slug, tried=1)

    assert [first.result().status, second.result().status] == [503, 503]
    latest, earliest = runs_of(acme_client, slug)
    assert latest["retry_of"] == earliest["id"]


def test_a_try_that_was_stopped_is_named_by_the_next_one(acme_client: ApiClient, scripted: Scripted) -> None:
    slug = scripted({"text": "hi", "delay_ms": 3_000})
    leave(acme_client, slug)
    time.sleep(1.5)

    answer = ask(acme_client, slug, tried=1)

    latest, earliest = runs_of(acme_client, slug)
    assert (earliest["status"], latest["id"]) == ("disconnected", answer.headers["x-robutler-run-id"])
    assert latest["retry_of"] == earliest["id"]


def test_where_the_window_is_shut_nothing_is_joined(acme_client: ApiClient, slow: str, settings: Any) -> None:
    settings.ROBUTLER = settings.ROBUTLER.model_copy(update={"retry_window_s": 0})
    leave(acme_client, slow)

    answer = ask(acme_client, slow, tried=1)

    assert "idempotent-replayed" not in answer.headers


def test_after_its_window_an_answer_is_forgotten(acme_client: ApiClient, slow: str, settings: Any) -> None:
    settings.ROBUTLER = settings.ROBUTLER.model_copy(update={"retry_window_s": 0.5})
    leave(acme_client, slow)
    told = ask(acme_client, slow, tried=1)
    time.sleep(1)

    answer = ask(acme_client, slow, tried=2)

    assert told.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in answer.headers


def test_nothing_is_written_down_of_a_request_that_is_answered(acme_client: ApiClient, greeter: str, acme: Any) -> None:
    from agents.models import IdempotentAnswer
    from tenants.context import organization_context

    ask(acme_client, greeter, tried=0)
    ask(acme_client, greeter, tried=1)

    with organization_context(acme.id):
        assert not IdempotentAnswer.objects.exists()
