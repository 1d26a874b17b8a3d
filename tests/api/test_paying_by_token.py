"""The header X-Payment-Token: whose token it is pays, whoever asks; what it does not pay for is not begun."""

import threading
from collections.abc import Generator
from typing import Any
from uuid import uuid4

import pytest

from billing import ledger
from billing.models import OutboxEvent
from tenants.permissions import KEY_PERMISSIONS
from tests import make
from tests.api.client import HELLO, Answer, ApiClient, Server
from tests.api.manage.test_payment_tokens import TOKENS, minted, with_token
from tests.billing import money

PER_RUN_NANOS = 1_500_000


@pytest.fixture
def initech(database: None) -> Any:
    """Who made the agent: neither who asks nor who pays."""
    return make.organization("Initech")


@pytest.fixture
def paid(initech: Any) -> str:
    """The address of a public agent that costs something by the run."""
    slug = make.published(initech, visibility="public", price_per_run_nanos=PER_RUN_NANOS).slug
    return f"{initech.slug}/{slug}"


@pytest.fixture
def poor(server: Server, globex: Any) -> Generator[ApiClient]:
    """Globex, with a key and without money."""
    with ApiClient(server.url, make.key(globex, permissions=sorted(KEY_PERMISSIONS))) as client:
        yield client


def ask(client: ApiClient, agent: str, token: Any, **fields: Any) -> Answer:
    return with_token(client, "/v1/chat/completions", token, {"model": agent, **HELLO, **fields})


def test_whose_token_it_is_pays(acme: Any, globex: Any, acme_client: ApiClient, poor: ApiClient, paid: str) -> None:
    token, before = minted(acme_client), ledger.balance(acme.id).posted

    answer = ask(poor, paid, token)

    charged = before - ledger.balance(acme.id).posted
    assert answer.status == 200, answer.body
    assert charged >= PER_RUN_NANOS
    assert ledger.balance(globex.id).posted == 0
    shown = acme_client.get(f"{TOKENS}/{token['id']}").json
    assert (shown["spent_nanos"], shown["held_nanos"]) == (str(charged), "0")
    assert money.broken_rules() == {}


def test_the_bill_is_seen_by_who_paid_and_the_run_by_who_asked(
    acme_client: ApiClient, poor: ApiClient, paid: str
) -> None:
    answer = ask(poor, paid, minted(acme_client))
    run_id = answer.headers["x-robutler-run-id"]

    asked = poor.get(f"/v1/runs/{run_id}")
    charges = acme_client.get("/api/v1/billing/charges").json["data"]

    assert asked.status == 200
    assert asked.json["status"] == "finished"
    assert [charge["run_id"] for charge in charges] == [run_id]
    assert poor.get("/api/v1/billing/charges").json["data"] == []
    assert asked.json["charges"] == []
    assert len(acme_client.get(f"/v1/runs/{run_id}").json["charges"]) == 1


def test_a_child_token_pays_out_of_its_parent(acme: Any, acme_client: ApiClient, poor: ApiClient, paid: str) -> None:
    root = minted(acme_client)
    child = with_token(poor, f"{TOKENS}/{root['id']}/delegate", root, {"cap_nanos": "20000000"}).json

    assert ask(poor, paid, child).status == 200

    spent = acme_client.get(f"{TOKENS}/{child['id']}").json["spent_nanos"]
    of_root = acme_client.get(f"{TOKENS}/{root['id']}").json
    assert int(spent) >= PER_RUN_NANOS
    assert int(of_root["held_nanos"]) + int(of_root["spent_nanos"]) == 20_000_000
    acme_client.post(f"{TOKENS}/{child['id']}/revoke", {})
    of_root = acme_client.get(f"{TOKENS}/{root['id']}").json
    assert (of_root["held_nanos"], of_root["spent_nanos"]) == ("0", spent)
    assert ledger.balance(acme.id).held == 0
    assert money.broken_rules() == {}


def refusals(acme_client: ApiClient, paid: str) -> dict[str, Any]:
    """Tokens that do not pay for the agent, by the code of their refusal."""
    revoked = minted(acme_client)
    acme_client.post(f"{TOKENS}/{revoked['id']}/revoke", {})
    own = acme_client.get("/v1/models").json["data"][0]["id"]
    return {
        "payment_token_revoked": revoked,
        "payment_token_cap_exceeded": minted(acme_client, cap_nanos=str(PER_RUN_NANOS - 1)),
        "payment_token_wrong_audience": minted(acme_client, audience=[own]),
        "payment_token_invalid": {"token": "rb_pt_0123456789ab_nonsense"},
    }


@pytest.mark.parametrize(
    "code",
    [
        "payment_token_revoked", "payment_token_cap_exceeded", "payment_token_wrong_audience", "payment_token_invalid",
    ],
)  # fmt: skip
@pytest.mark.parametrize("stream", [False, True])
def test_what_a_token_does_not_pay_is_refused_and_costs_nobody_anything(
    code: str, acme: Any, acme_client: ApiClient, globex_client: ApiClient, paid: str, *, stream: bool
) -> None:
    make.published(acme)
    token, before = refusals(acme_client, paid)[code], ledger.balance(acme.id)

    answer = ask(globex_client, paid, token, stream=stream)

    assert answer.code == (402, "payment_required", code)
    assert answer.headers["x-should-retry"] == "false"
    assert answer.error["metadata"]["limit_source"] == "payment_token"
    assert token["token"] not in answer.body.decode()
    assert ledger.balance(acme.id) == before


def test_the_wallet_of_another_is_not_told(globex: Any, acme: Any, server: Server, paid: str) -> None:
    with (
        ApiClient(server.url, make.key(acme, permissions=sorted(KEY_PERMISSIONS))) as broke,
        ApiClient(server.url, make.key(globex)) as caller,
    ):
        answer = ask(caller, paid, minted(broke))

    assert answer.code == (402, "payment_required", "payment_token_cap_exceeded")
    assert "available_nanos" not in answer.error["metadata"]


def test_no_request_costs_more_than_the_token_allows_for_one(
    acme_client: ApiClient, poor: ApiClient, paid: str
) -> None:
    token = minted(acme_client, max_per_call_nanos=str(PER_RUN_NANOS - 1))

    assert ask(poor, paid, token).code == (402, "payment_required", "payment_token_cap_exceeded")


@pytest.fixture
def slow(initech: Any) -> str:
    """The address of an agent that speaks for a minute."""
    from agents.services.drafts import SkillChoice

    script = SkillChoice(skill="scripted", options={"chunk_ms": 50, "rules": [{"text": "word " * 600}]})
    made = make.published(initech, visibility="public", skills=[script], output_price_pico=1_000_000)
    return f"{initech.slug}/{made.slug}"


def test_a_revoked_token_stops_what_it_pays_for(acme: Any, acme_client: ApiClient, poor: ApiClient, slow: str) -> None:
    token, pieces = minted(acme_client), []
    body = {"model": slow, **HELLO, "stream": True}
    headers = {"X-Payment-Token": token["token"]}

    with poor.http.stream("POST", "/v1/chat/completions", json=body, headers=headers) as response:
        for line in response.iter_lines():
            pieces.append(line)
            if len(pieces) == 8:
                threading.Thread(target=acme_client.post, args=(f"{TOKENS}/{token['id']}/revoke", {})).start()

    told = "\n".join(pieces)
    assert len(pieces) < 400
    assert "The run was stopped before it was done." in told
    assert ledger.balance(acme.id).held == 0
    assert 0 < int(acme_client.get(f"{TOKENS}/{token['id']}").json["spent_nanos"]) < 600_000
    assert money.broken_rules() == {}


def test_an_idempotent_request_is_paid_once_by_the_token(
    acme: Any, acme_client: ApiClient, poor: ApiClient, paid: str
) -> None:
    token, key = minted(acme_client), str(uuid4())
    headers = {"X-Payment-Token": token["token"], "Idempotency-Key": key}
    body = {"model": paid, **HELLO}

    first = poor.post("/v1/chat/completions", body, **headers)
    spent = ledger.balance(acme.id).posted
    again = poor.post("/v1/chat/completions", body, **headers)
    without = poor.post("/v1/chat/completions", body, **{"Idempotency-Key": key})

    assert (first.status, again.status, without.status) == (200, 200, 422)
    assert again.body == first.body
    assert ledger.balance(acme.id).posted == spent


def test_embeddings_are_paid_by_token_as_well(acme: Any, acme_client: ApiClient, poor: ApiClient) -> None:
    token = minted(acme_client)

    answer = with_token(poor, "/v1/embeddings", token, {"model": "scripted/embedding", "input": "hello"})
    refused = with_token(
        poor, "/v1/embeddings", {"token": "rb_pt_nonsense"}, {"model": "scripted/embedding", "input": "hello"}
    )

    assert answer.status == 200, answer.body
    assert refused.code == (402, "payment_required", "payment_token_invalid")


def test_an_estimate_looks_at_what_the_token_is_good_for(acme_client: ApiClient, poor: ApiClient, paid: str) -> None:
    body = {"model": paid, **HELLO}

    covered = with_token(poor, "/v1/estimate", minted(acme_client), body)
    short = with_token(poor, "/v1/estimate", minted(acme_client, cap_nanos="5"), body)

    assert covered.status == 200, covered.body
    assert (covered.json["affordable"], short.json["affordable"]) == (True, False)


def test_whose_money_it_is_hears_once_that_a_token_was_too_small(
    acme: Any, acme_client: ApiClient, poor: ApiClient, paid: str
) -> None:
    hook = {"url": "https://hooks.example.com/robutler", "topics": ["token.exhausted"]}
    endpoint = acme_client.post("/api/v1/billing/webhook-endpoints", hook).json
    token = minted(acme_client, cap_nanos=str(PER_RUN_NANOS - 1), name="too small")

    for _ in range(2):
        assert ask(poor, paid, token).status == 402

    with money.everything():
        (event,) = OutboxEvent.objects.filter(organization_id=acme.id, topic="token.exhausted")
    assert event.payload["payment_token_id"] == token["id"]
    assert event.payload["cap_nanos"] == str(PER_RUN_NANOS - 1)
    assert int(event.payload["required_nanos"]) >= PER_RUN_NANOS
    assert endpoint["active"]
