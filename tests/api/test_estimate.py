"""POST /v1/estimate: what a completion would reserve, to the nanodollar, without running it."""

from typing import Any

import pytest

from tests import make
from tests.api.client import HELLO, ApiClient

PICO = 2_500_000


@pytest.fixture
def paid(acme: Any) -> str:
    """The address of a public agent of Acme's, paid by the token and by the run."""
    price = {"price_per_run_nanos": 1_000, "input_price_pico": PICO, "output_price_pico": 4 * PICO, "markup_bps": 500}
    return f"{acme.slug}/{make.published(acme, visibility='public', **price).slug}"


def held(client: ApiClient, body: dict[str, Any]) -> int:
    """What the ledger held for such a completion, before anything was known of its answer."""
    answer = client.post("/v1/chat/completions", body)
    assert answer.status == 200, answer.body
    run = client.get(f"/v1/runs/{answer.headers['x-robutler-run-id']}").json
    return sum(int(charge["hold"]["amount_nanos"]) for charge in run["charges"] if charge["hold"])


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"max_completion_tokens": 100},
        {"max_tokens": 5_000, "temperature": 0.5, "n": 3},
        {"tools": [{"type": "function", "function": {"name": "look", "description": "Look. " * 50}}]},
        {"messages": [{"role": "user", "content": "Много слов. " * 200}], "stream": False},
    ],
)
def test_an_estimate_is_what_is_held(globex_client: ApiClient, paid: str, asked: dict[str, Any]) -> None:
    body = {"model": paid, **HELLO, **asked}

    estimate = globex_client.post("/v1/estimate", body).json
    amount = held(globex_client, body)

    assert (estimate["object"], estimate["agent"], estimate["model"]) == ("estimate", paid, "scripted/persona")
    assert estimate["affordable"] is True
    assert int(estimate["hold_nanos"]) == int(estimate["max_nanos"]) == amount > 0
    assert 0 < int(estimate["min_nanos"]) < amount
    assert estimate["cut"] is False
    assert estimate["hold_usd"] == f"{amount // 10**9}.{amount % 10**9:09d}"


def test_a_small_wallet_cuts_the_answer_as_in_the_run_itself(server: Any, paid: str) -> None:
    poor = make.wallet(make.organization("Poor"), 2_500_000)
    body = {"model": paid, **HELLO, "max_completion_tokens": 100_000}

    with ApiClient(server.url, make.key(poor, permissions=["chat:write"])) as client:
        estimate = client.post("/v1/estimate", body).json
        amount = held(client, body)

    assert (estimate["affordable"], estimate["cut"]) == (True, True)
    assert 64 <= estimate["max_output_tokens"] < 100_000
    # The first call turned out to read less than it was taken for, and so was given more to write.
    assert int(estimate["hold_nanos"]) <= amount <= int(estimate["available_nanos"]) == 2_500_000


def test_what_cannot_be_paid_is_said_and_refused(server: Any, paid: str) -> None:
    broke = make.wallet(make.organization("Broke"), 100)
    body = {"model": paid, **HELLO}

    with ApiClient(server.url, make.key(broke, permissions=["chat:write"])) as client:
        estimate, answer = client.post("/v1/estimate", body), client.post("/v1/chat/completions", body)

    assert estimate.json["affordable"] is False
    assert answer.status == 402
    assert answer.error["metadata"]["required_nanos"] == estimate.json["hold_nanos"]


def test_a_frozen_wallet_affords_nothing(server: Any, greeter: str, acme: Any, paid: str) -> None:
    from billing.models import Account
    from tenants.context import platform_context

    with platform_context(reason="freeze"):
        Account.objects.filter(organization_id=acme.id, kind="wallet").update(status="frozen")

    with ApiClient(server.url, make.key(acme, permissions=["chat:write"])) as client:
        for address in (greeter, paid):
            assert client.post("/v1/estimate", {"model": address, **HELLO}).json["affordable"] is False


def test_nothing_is_run_held_or_charged(globex_client: ApiClient, globex: Any, paid: str) -> None:
    from billing import ledger

    before = ledger.balance(globex.id)
    globex_client.post("/v1/estimate", {"model": paid, **HELLO})

    assert ledger.balance(globex.id) == before
    assert globex_client.get("/v1/runs").json["data"] == []


def test_the_terms_are_told(globex_client: ApiClient, paid: str) -> None:
    price = globex_client.post("/v1/estimate", {"model": paid, **HELLO}).json["price"]

    assert (price["per_run"], price["markup_percent"]) == ("0.000001", "5")
    assert (price["per_million_input_tokens"], price["per_million_output_tokens"]) == ("2.5", "10")
    assert price["fee_percent"] == "0"
    assert price["platform_credential"] is True


def test_a_neighbours_agent_has_no_price(globex_client: ApiClient, acme: Any, greeter: str) -> None:
    hidden = globex_client.post("/v1/estimate", {"model": f"{acme.slug}/{greeter}", **HELLO})
    absent = globex_client.post("/v1/estimate", {"model": "nobody/nothing", **HELLO})

    assert (hidden.status, hidden.body) == (absent.status, absent.body)
    assert hidden.code == (404, "invalid_request_error", "model_not_found")


def test_who_may_not_run_agents_may_not_price_them(server: Any, acme: Any, greeter: str) -> None:
    with ApiClient(server.url, make.key(acme, permissions=["usage:read"])) as client:
        answer = client.post("/v1/estimate", {"model": greeter, **HELLO})

    assert answer.code == (403, "permission_error", "insufficient_scope")


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        (HELLO, "missing_required_parameter", "model"),
        ({"model": "x", **HELLO, "temperature": 9}, "invalid_value", "temperature"),
        ({"model": "x", **HELLO, "api_base": "http://x"}, "unknown_parameter", "api_base"),
        (b"{", "invalid_json", None),
    ],
)
def test_a_wrong_body_is_refused_as_by_the_completion(
    acme_client: ApiClient, body: Any, code: str, param: str | None
) -> None:
    estimate, completion = acme_client.post("/v1/estimate", body), acme_client.post("/v1/chat/completions", body)

    assert estimate.code == completion.code == (400, "invalid_request_error", code)
    assert estimate.error["param"] == completion.error["param"] == param


def test_it_needs_a_key(stranger: ApiClient) -> None:
    assert stranger.post("/v1/estimate", HELLO).code == (401, "authentication_error", "missing_api_key")
