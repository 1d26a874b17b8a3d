"""Limits as a client meets them: refused by name and with the time to wait, told on every answer, kept apart."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client import REGISTRY

from tenants import limits
from tenants.context import organization_context
from tenants.limits import Limits
from tenants.services import set_limits
from tests import make
from tests.api.client import HELLO, Answer, ApiClient

COMPLETIONS = "/v1/chat/completions"
FIGURES = {
    f"x-ratelimit-{figure}-{kind}" for figure in ("limit", "remaining", "reset") for kind in ("requests", "tokens")
}
PERIODS = {
    f"x-ratelimit-{figure}-{period}" for figure in ("limit", "remaining") for period in ("minute", "hour", "day")
}
Limited = Callable[..., ApiClient]


@pytest.fixture
def limited(server: Any, acme: Any) -> Limited:
    """Acme with a key that has these limits, and money."""

    def client(**values: int) -> ApiClient:
        make.wallet(acme, 10**9)
        return ApiClient(server.url, make.key(acme, limits=Limits(**values)))

    return client


def rule(organization: Any, kind: str, subject: str = "", **values: int) -> None:
    with organization_context(organization.id):
        set_limits(organization_id=organization.id, kind=kind, subject=subject, limits=Limits(**values))


def ask(client: ApiClient, agent: str, **more: Any) -> Answer:
    return client.post(COMPLETIONS, {"model": agent, **HELLO, **more})


def refusals(limit: str) -> float:
    return REGISTRY.get_sample_value("robutler_rate_limit_exceeded_total", {"limit": limit}) or 0.0


def test_a_request_beyond_the_limit_is_refused_with_its_name_and_the_time_to_wait(
    limited: Limited, greeter: str
) -> None:
    before = refusals("requests_per_hour")

    with limited(requests_per_hour=2) as client:
        answers = [ask(client, greeter) for _ in range(3)]

    refused = answers[-1]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert refused.code == (429, "rate_limit_error", "rate_limit_exceeded")
    assert refused.error["metadata"] == {"limit": "requests_per_hour", "scope": "key", "allowed": 2}
    assert 3_500 < refused.error["retry_after"] <= 3_600
    assert refused.headers["retry-after"] == str(refused.error["retry_after"])
    assert refused.headers["x-should-retry"] == "false"
    assert refused.headers["x-ratelimit-remaining-hour"] == "0"
    assert refusals("requests_per_hour") == before + 1


@pytest.mark.parametrize("path", ["/v1/models", "/v1/key", COMPLETIONS, "/v1/nothing"])
def test_every_answer_to_a_key_tells_what_is_left(limited: Limited, greeter: str, path: str) -> None:
    with limited(requests_per_minute=7) as client:
        answer = ask(client, greeter) if path == COMPLETIONS else client.get(path)

    assert answer.headers.keys() >= FIGURES | PERIODS
    assert answer.headers["x-ratelimit-limit-requests"] == "7"
    assert answer.headers["x-ratelimit-remaining-requests"] == ("6" if path == COMPLETIONS else "7")


def test_a_key_that_may_not_is_told_what_is_left_as_well(server: Any, acme: Any, greeter: str) -> None:
    with ApiClient(server.url, make.key(acme, permissions=["usage:read"])) as client:
        answer = ask(client, greeter)

    assert answer.code == (403, "permission_error", "insufficient_scope")
    assert answer.headers.keys() >= FIGURES


def test_who_has_no_key_is_told_nothing(stranger: ApiClient, greeter: str) -> None:
    answers = [stranger.get("/"), ask(stranger, greeter)]

    assert not [name for answer in answers for name in answer.headers if name.startswith("x-ratelimit")]


def test_pages_of_other_sites_may_read_what_is_left(limited: Limited, settings: Any) -> None:
    settings.ROBUTLER = settings.ROBUTLER.model_copy(update={"cors_origins": ("https://app.example",)})

    with limited() as client:
        answer = client.post(COMPLETIONS, HELLO, Origin="https://app.example")

    exposed = set(answer.headers["access-control-expose-headers"].lower().split(", "))
    assert FIGURES | PERIODS | {"retry-after"} <= exposed


def test_reads_are_counted_by_themselves(limited: Limited, greeter: str) -> None:
    with limited(requests_per_minute=1, reads_per_minute=2) as client:
        statuses = [client.get("/v1/models").status for _ in range(3)]
        refused = client.get("/v1/key")
        run = ask(client, greeter)

    assert statuses == [200, 200, 429]
    assert refused.error["metadata"] == {"limit": "reads_per_minute", "scope": "key", "allowed": 2}
    assert run.status == 200


def test_an_organizations_limit_holds_for_its_keys_together(
    limited: Limited, acme: Any, globex_client: ApiClient, greeter: str, scripted: Any
) -> None:
    shared = f"{acme.slug}/{scripted({'text': 'hi'}, visibility='public')}"
    rule(acme, limits.ORGANIZATION, requests_per_minute=2)

    with limited() as one, limited() as other:
        answers = [ask(one, greeter), ask(other, greeter), ask(one, greeter)]
    neighbour = ask(globex_client, shared)

    assert [answer.status for answer in answers] == [200, 200, 429]
    assert answers[-1].error["metadata"]["scope"] == "organization"
    assert answers[-1].headers["x-ratelimit-limit-requests"] == "2"
    assert neighbour.status == 200


def test_an_agents_limit_holds_for_all_its_callers(
    acme_client: ApiClient, globex_client: ApiClient, acme: Any, scripted: Any
) -> None:
    slug = scripted({"text": "hi"}, visibility="public")
    rule(acme, limits.AGENT, _id_of(acme, slug), requests_per_minute=2)

    answers = [ask(acme_client, slug), ask(globex_client, f"{acme.slug}/{slug}"), ask(acme_client, slug)]
    other = ask(acme_client, scripted({"text": "hi"}))

    assert [answer.status for answer in answers] == [200, 200, 429]
    assert answers[-1].error["metadata"] == {"limit": "requests_per_minute", "scope": "agent", "allowed": 2}
    assert other.status == 200


@pytest.mark.parametrize("field", ["user", "safety_identifier"])
def test_an_end_users_limit_holds_for_that_one(limited: Limited, acme: Any, greeter: str, field: str) -> None:
    rule(acme, limits.END_USER, "ada lovelace", requests_per_minute=1)

    with limited() as client:
        ada = [ask(client, greeter, **{field: "ada lovelace"}) for _ in range(2)]
        grace = ask(client, greeter, **{field: "grace"})

    assert [answer.status for answer in ada] == [200, 429]
    assert ada[-1].error["metadata"]["scope"] == "end_user"
    assert "lovelace" not in ada[-1].body.decode()
    assert grace.status == 200


def test_the_same_end_user_of_a_neighbour_is_somebody_else(
    limited: Limited, acme: Any, globex: Any, globex_client: ApiClient, greeter: str, scripted: Any
) -> None:
    shared = f"{acme.slug}/{scripted({'text': 'hi'}, visibility='public')}"
    for organization in (acme, globex):
        rule(organization, limits.END_USER, requests_per_minute=1)

    with limited() as client:
        ours = [ask(client, greeter, user="ada lovelace") for _ in range(2)]
    theirs = ask(globex_client, shared, user="ada lovelace")

    assert [answer.status for answer in ours] == [200, 429]
    assert theirs.status == 200


def test_a_limit_that_is_changed_holds_within_seconds(limited: Limited, acme: Any, greeter: str) -> None:
    rule(acme, limits.ORGANIZATION, requests_per_minute=1)
    with limited() as client:
        before = [ask(client, greeter).status for _ in range(2)]

        rule(acme, limits.ORGANIZATION, requests_per_minute=5)
        deadline = time.monotonic() + 5
        while ask(client, greeter).status != 200:
            assert time.monotonic() < deadline

    assert before == [200, 429]


def test_tokens_are_reserved_and_what_was_not_used_comes_back(limited: Limited, scripted: Any) -> None:
    slug = scripted({"text": "word " * 10})

    with limited(tokens_per_minute=1_000) as client:
        answers = [ask(client, slug, max_completion_tokens=900) for _ in range(3)]
        left = int(client.get("/v1/key").headers["x-ratelimit-remaining-tokens"])

    used = sum(answer.json["usage"]["total_tokens"] for answer in answers)
    assert [answer.status for answer in answers] == [200, 200, 200]
    assert left == 1_000 - used


def test_tokens_that_runs_in_progress_may_take_are_not_there_for_others(limited: Limited, scripted: Any) -> None:
    slug = scripted({"text": "slow " * 50}, chunk_ms=20)

    with (
        limited(tokens_per_minute=1_000) as client,
        limited() as _,
        client.http.stream(
            "POST", COMPLETIONS, json={"model": slug, "stream": True, "max_completion_tokens": 900, **HELLO}
        ) as response,
    ):
        pieces = response.iter_bytes()
        next(pieces)
        with ApiClient(client.base_url) as same:
            same.http.headers = client.http.headers
            refused = ask(same, slug, max_completion_tokens=900)
        list(pieces)

    assert refused.code == (429, "rate_limit_error", "rate_limit_exceeded")
    assert refused.error["metadata"]["limit"] == "tokens_per_minute"


def test_a_run_that_never_began_takes_no_tokens(limited: Limited, acme: Any, greeter: str) -> None:
    with limited(tokens_per_minute=1_000) as client:
        ask(client, greeter, max_completion_tokens=10, tools=[{"type": "function"}])
        ask(client, "nobody", max_completion_tokens=10)
        left = client.get("/v1/key").headers["x-ratelimit-remaining-tokens"]

    assert left == "1000"


def test_an_agent_may_have_only_so_many_requests_at_once(acme_client: ApiClient, acme: Any, scripted: Any) -> None:
    slug = scripted({"text": "slow " * 50}, chunk_ms=20)
    rule(acme, limits.AGENT, _id_of(acme, slug), max_parallel=1)

    with acme_client.http.stream("POST", COMPLETIONS, json={"model": slug, "stream": True, **HELLO}) as response:
        pieces = response.iter_bytes()
        next(pieces)
        with ApiClient(acme_client.base_url) as same:
            same.http.headers = acme_client.http.headers
            refused = ask(same, slug)
        list(pieces)
    later = ask(acme_client, slug)

    assert refused.code == (429, "rate_limit_error", "too_many_concurrent_requests")
    assert refused.error["metadata"] == {"limit": "max_parallel", "scope": "agent", "allowed": 1}
    assert later.status == 200


def test_a_key_is_accepted_from_its_networks_only(server: Any, acme: Any, greeter: str) -> None:
    with ApiClient(server.url, make.key(acme, allowed_networks=["203.0.113.0/24"])) as client:
        answers = [ask(client, greeter), client.get("/v1/models")]
    with ApiClient(server.url, make.key(acme, allowed_networks=["127.0.0.0/8"])) as client:
        accepted = ask(client, greeter)

    assert [answer.code for answer in answers] == [(403, "permission_error", "ip_not_allowed")] * 2
    assert accepted.status == 200


def _id_of(organization: Any, slug: str) -> str:
    from agents.models import Agent

    with organization_context(organization.id):
        return str(Agent.objects.get(slug=slug).id)
