"""Idempotency-Key: answered once, told again, and never another's."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests import make
from tests.api.client import HELLO, Answer, ApiClient, raw

Scripted = Callable[..., str]
CROWD = 20


def key() -> str:
    return f"key-{uuid4()}"


def ask(client: ApiClient, slug: str, key: str, **fields: Any) -> Answer:
    return client.post(f"/{slug}/chat/completions", {**HELLO, **fields}, Idempotency_Key=key)


def runs_of(client: ApiClient, slug: str) -> list[Any]:
    """The runs of an agent, once all that ended are written."""
    from agents.adapters.run_writer import run_writer

    assert run_writer().flush(timeout_s=10)
    found: list[Any] = client.http.get("/v1/runs", params={"agent": slug}).json()["data"]
    return found


def told(answer: Answer) -> dict[str, str]:
    """The headers that belong to the answer and not to the asking."""
    return {name: value for name, value in answer.headers.items() if name.startswith(("x-robutler", "content"))}


@pytest.fixture
def paid(acme: Any) -> str:
    """An agent of Acme's that costs something."""
    slug: str = make.published(acme, price_per_run_nanos=1_000).slug
    return slug


def test_a_request_with_the_same_key_is_answered_once(acme_client: ApiClient, paid: str) -> None:
    same = key()

    first, second = ask(acme_client, paid, same), ask(acme_client, paid, same)

    assert (second.status, second.body, told(second)) == (first.status, first.body, told(first))
    assert first.headers["x-robutler-run-id"] == second.headers["x-robutler-run-id"]
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    assert second.headers["x-request-id"] != first.headers["x-request-id"]
    assert [run["id"] for run in runs_of(acme_client, paid)] == [first.headers["x-robutler-run-id"]]


def test_a_stream_is_told_again_frame_by_frame(acme_client: ApiClient, scripted: Scripted) -> None:
    slug, same = scripted({"text": "one two three"}), key()
    body = {**HELLO, "stream_options": {"include_usage": True, "include_obfuscation": True}}

    first, second = (acme_client.stream(f"/{slug}/chat/completions", body, Idempotency_Key=same) for _ in range(2))

    assert first.text == "one two three"
    assert second.frames == first.frames
    assert second.frames[-1] == "data: [DONE]"
    assert second.headers["content-type"] == first.headers["content-type"]
    assert second.headers["idempotent-replayed"] == "true"
    assert len(runs_of(acme_client, slug)) == 1


def test_comments_are_not_told_again(acme_client: ApiClient, scripted: Scripted, settings: Any) -> None:
    settings.ROBUTLER = settings.ROBUTLER.model_copy(update={"keep_alive_s": 0.05})
    slug, same = scripted({"text": "hi", "delay_ms": 300}), key()

    first, second = (acme_client.stream(f"/{slug}/chat/completions", HELLO, Idempotency_Key=same) for _ in range(2))

    assert ": keep-alive" in first.frames
    assert second.frames == [frame for frame in first.frames if frame != ": keep-alive"]


@pytest.mark.parametrize("other", [{"temperature": 0.1}, {"stream": True}])
def test_another_body_is_refused(acme_client: ApiClient, greeter: str, other: dict[str, Any]) -> None:
    same = key()
    ask(acme_client, greeter, same)

    answer = ask(acme_client, greeter, same, **other)

    assert answer.code == (422, "idempotency_error", "idempotency_key_reused")
    assert answer.headers["x-should-retry"] == "false"
    assert len(runs_of(acme_client, greeter)) == 1


def test_another_address_is_another_request(acme_client: ApiClient, greeter: str, paid: str) -> None:
    same = key()
    ask(acme_client, greeter, same)

    assert ask(acme_client, paid, same).code == (422, "idempotency_error", "idempotency_key_reused")


@pytest.mark.parametrize("bad", ["k" * 256, "k" * 300, "clé", "a\tb"])
def test_a_key_of_another_form_is_refused(acme_client: ApiClient, greeter: str, bad: str) -> None:
    headers = {b"Content-Type": b"application/json", b"Idempotency-Key": bad.encode("latin-1")}
    content = json.dumps(HELLO).encode()

    answer = acme_client.http.post(f"/{greeter}/chat/completions", content=content, headers=headers)

    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "Idempotency-Key"
    assert runs_of(acme_client, greeter) == []


def test_a_neighbours_same_key_is_unrelated(
    acme_client: ApiClient, globex_client: ApiClient, acme: Any, scripted: Scripted
) -> None:
    slug, same = f"{acme.slug}/{scripted({'text': 'hi'}, visibility='public')}", key()

    ours, theirs = ask(acme_client, slug, same), ask(globex_client, slug, same)
    otherwise = ask(globex_client, slug, same, temperature=0.1)

    assert theirs.status == 200
    assert "idempotent-replayed" not in theirs.headers
    assert theirs.headers["x-robutler-run-id"] != ours.headers["x-robutler-run-id"]
    assert otherwise.status == 422


def test_another_key_of_the_same_organization_shares_it(
    server: Any, acme_client: ApiClient, acme: Any, greeter: str
) -> None:
    same = key()
    first = ask(acme_client, greeter, same)

    with ApiClient(server.url, make.key(acme)) as colleague:
        second = ask(colleague, greeter, same)

    assert second.body == first.body


def test_of_a_crowd_with_one_key_one_is_answered(acme_client: ApiClient, scripted: Scripted) -> None:
    slug, same = scripted({"text": "hi", "delay_ms": 500}), key()
    headers = {**acme_client.http.headers, "Idempotency-Key": same, "Content-Type": "application/json"}

    async def crowd() -> list[httpx.Response]:
        async with (
            httpx.AsyncClient(base_url=acme_client.base_url, headers=headers, timeout=60) as client,
            asyncio.TaskGroup() as group,
        ):
            url, content = f"/{slug}/chat/completions", json.dumps(HELLO).encode()
            calls = [group.create_task(client.post(url, content=content)) for _ in range(CROWD)]
        return [call.result() for call in calls]

    answers = asyncio.run(crowd())
    late = ask(acme_client, slug, same)

    ran = [answer for answer in answers if answer.status_code == 200 and "idempotent-replayed" not in answer.headers]
    waiting = [answer for answer in answers if answer.status_code == 409]
    assert len(ran) == len(runs_of(acme_client, slug)) == 1
    assert Counter(answer.status_code for answer in answers).keys() <= {200, 409}
    assert waiting
    for answer in waiting:
        assert answer.json()["error"]["code"] == "request_in_progress"
        assert (answer.headers["retry-after"], answer.headers["x-should-retry"]) == ("1", "true")
    assert late.body == ran[0].content


# --- what is kept -----------------------------------------------------------------------------------------------------


def test_what_never_began_leaves_the_key_free(server: Any, acme_client: ApiClient, acme: Any) -> None:
    slug, same = make.unique("later"), key()

    absent = ask(acme_client, slug, same)
    make.published(acme, slug=slug)
    there = ask(acme_client, slug, same)

    assert (absent.status, there.status) == (404, 200)


def test_a_refusal_for_lack_of_money_leaves_the_key_free(server: Any, acme: Any, globex: Any) -> None:
    priced = make.published(acme, price_per_run_nanos=1_000, visibility="public").slug
    poor, same = make.wallet(make.organization("Poor"), 10), key()

    with ApiClient(server.url, make.key(poor)) as client:
        refused = ask(client, f"{acme.slug}/{priced}", same)
        make.wallet(poor, 1_000_000)
        served = ask(client, f"{acme.slug}/{priced}", same)

    assert (refused.status, served.status) == (402, 200)


def test_a_wrong_body_leaves_the_key_free(acme_client: ApiClient, greeter: str) -> None:
    same = key()

    wrong, right = ask(acme_client, greeter, same, temperature=99), ask(acme_client, greeter, same)

    assert (wrong.status, right.status) == (400, 200)


def test_a_failure_that_cost_nothing_leaves_the_key_free(acme_client: ApiClient, scripted: Scripted) -> None:
    slug, same = scripted({"error": "overloaded"}), key()

    answers = [ask(acme_client, slug, same) for _ in range(2)]

    assert [answer.status for answer in answers] == [503, 503]
    assert "idempotent-replayed" not in answers[1].headers
    assert len(runs_of(acme_client, slug)) == 2


def test_a_failure_that_was_charged_is_told_again(acme_client: ApiClient, acme: Any) -> None:
    from agents.services.drafts import SkillChoice

    script = SkillChoice(
        skill="scripted", options={"rules": [{"text": "one two three", "error": "unreachable", "error_after": 2}]}
    )
    slug, same = make.published(acme, skills=[script], output_price_pico=10**9, markup_bps=0).slug, key()

    first, second = (ask(acme_client, slug, same, stream=True) for _ in range(2))

    (run,) = runs_of(acme_client, slug)
    assert (run["status"], int(run["charged_nanos"]) > 0) == ("failed", True)
    assert (second.status, second.body) == (first.status, first.body)
    assert b"upstream_failed" in second.body
    assert second.headers["idempotent-replayed"] == "true"


def test_an_answer_too_large_to_keep_is_not_run_again(
    acme_client: ApiClient, scripted: Scripted, settings: Any
) -> None:
    settings.ROBUTLER = settings.ROBUTLER.model_copy(update={"idempotency_answer_bytes": 100})
    slug, same = scripted({"text": "long " * 100}), key()

    first, second = ask(acme_client, slug, same), ask(acme_client, slug, same)

    assert first.status == 200
    assert second.code == (409, "idempotency_error", "answer_not_kept")
    assert second.headers["x-should-retry"] == "false"
    assert len(runs_of(acme_client, slug)) == 1


def test_after_its_time_a_key_may_be_used_again(acme_client: ApiClient, greeter: str) -> None:
    same = key()
    ask(acme_client, greeter, same)
    _age(same)

    answer = ask(acme_client, greeter, same, temperature=0.5)

    assert answer.status == 200
    assert "idempotent-replayed" not in answer.headers


def test_answers_are_removed_after_their_time(acme_client: ApiClient, greeter: str) -> None:
    from agents.models import IdempotentAnswer
    from agents.services import housekeeping
    from tenants.context import platform_context

    old, new = key(), key()
    ask(acme_client, greeter, old)
    ask(acme_client, greeter, new)
    _age(old)

    housekeeping.purge_expired_items()

    with platform_context(reason="look"):
        left = set(IdempotentAnswer.objects.filter(key__in=[old, new]).values_list("key", flat=True))
    assert left == {new}


def test_without_a_key_nothing_is_kept(acme_client: ApiClient, greeter: str, acme: Any) -> None:
    from agents.models import IdempotentAnswer
    from tenants.context import organization_context

    acme_client.post(f"/{greeter}/chat/completions", HELLO)

    with organization_context(acme.id):
        assert not IdempotentAnswer.objects.exists()


# --- leaving ----------------------------------------------------------------------------------------------------------


def leave(client: ApiClient, slug: str, key: str, **fields: Any) -> None:
    """Ask, and be gone once the run has begun."""
    content = json.dumps({**HELLO, **fields}).encode()
    authorization = client.http.headers["Authorization"]
    head = (
        f"POST /{slug}/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: {authorization}\r\n"
        f"Content-Type: application/json\r\nIdempotency-Key: {key}\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    with raw(client.base_url, head.encode() + content) as connection:
        if fields.get("stream"):
            connection.recv(65_536)
        else:
            _wait_for_run(client, slug)


@pytest.mark.parametrize("stream", [False, True])
def test_who_left_finds_the_whole_answer_when_it_comes_back(
    acme_client: ApiClient, scripted: Scripted, stream: bool
) -> None:
    slug, same = scripted({"text": "one two three four five"}, chunk_ms=100), key()
    leave(acme_client, slug, same, stream=stream)

    during = ask(acme_client, slug, same, stream=stream)
    after = _patient(lambda: ask(acme_client, slug, same, stream=stream))

    assert during.code == (409, "idempotency_error", "request_in_progress")
    assert after.status == 200
    assert b"five" in after.body
    assert after.headers["idempotent-replayed"] == "true"
    (run,) = runs_of(acme_client, slug)
    assert run["status"] == "finished"


def test_who_stays_away_too_long_finds_that_it_was_stopped_and_charged(
    acme_client: ApiClient, acme: Any, settings: Any
) -> None:
    from agents.services.drafts import SkillChoice

    settings.ROBUTLER = settings.ROBUTLER.model_copy(update={"finish_alone_s": 0.1})
    slow = SkillChoice(skill="scripted", options={"rules": [{"text": "word " * 100}], "chunk_ms": 100})
    slug, same = make.published(acme, skills=[slow], output_price_pico=10**9).slug, key()
    leave(acme_client, slug, same, stream=True)

    after = _patient(lambda: ask(acme_client, slug, same, stream=True))

    assert after.code == (408, "timeout_error", "request_timeout")
    assert after.headers["x-should-retry"] == "false"
    (run,) = runs_of(acme_client, slug)
    assert (run["status"], int(run["charged_nanos"]) > 0) == ("disconnected", True)


def test_who_stays_away_too_long_for_nothing_may_try_again(
    acme_client: ApiClient, scripted: Scripted, settings: Any
) -> None:
    settings.ROBUTLER = settings.ROBUTLER.model_copy(update={"finish_alone_s": 0.1})
    slug, same = scripted({"text": "hi", "delay_ms": 2_000}), key()
    leave(acme_client, slug, same)
    settings.ROBUTLER = settings.ROBUTLER.model_copy(update={"finish_alone_s": 60})

    after = _patient(lambda: ask(acme_client, slug, same))

    assert after.status == 200
    assert "idempotent-replayed" not in after.headers


def _patient(ask_again: Callable[[], Answer]) -> Answer:
    """Ask as clients do: again after a while, as long as the answer is on its way."""
    for _ in range(100):
        if (answer := ask_again()).status != 409:
            return answer
        time.sleep(0.1)
    raise AssertionError("The answer does not come.")


def _wait_for_run(client: ApiClient, slug: str) -> None:
    for _ in range(100):
        if client.http.get("/v1/runs", params={"agent": slug}).json()["data"]:
            return
        time.sleep(0.05)
    raise AssertionError("The run did not begin.")


def _age(key: str) -> None:
    from datetime import timedelta

    from django.db.models.functions import Now

    from agents.models import IdempotentAnswer
    from tenants.context import platform_context

    with platform_context(reason="let time pass"):
        IdempotentAnswer.objects.filter(key=key).update(expires_at=Now() - timedelta(seconds=1))
