"""Money that runs out in the middle of a run: of a payment token, and for a tool."""

import json
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tenants.permissions import KEY_PERMISSIONS
from tests import make
from tests.live.books import Books
from tests.live.cast import CREDIT_NANOS, PER_RUN_NANOS, Cast, ask, model_on
from tests.live.server import LiveServer

PER_TOKEN_NANOS = 1_000_000
TOKENS = "/api/v1/billing/payment-tokens"
LONG = "+".join("1" * 120)
"""After a call with so much in it the hundred tokens do not suffice for another reply."""
CAP_NANOS = PER_RUN_NANOS + 100 * PER_TOKEN_NANOS


@pytest.fixture
def echo(cast: Cast) -> str:
    """The address of an agent whose provider does what it is ordered to."""
    return cast.publish(model=model_on("openai", "echo"))


@pytest.fixture
def payer(database: None) -> Any:
    """An organization with money."""
    return make.wallet(make.organization("Payer"), CREDIT_NANOS)


@pytest.fixture
def poor(database: None, live: LiveServer) -> Any:
    """A client of an organization without any."""
    key = make.key(make.wallet(make.organization("Poor"), 0))
    with httpx.Client(base_url=live.url, headers={"Authorization": f"Bearer {key}"}, timeout=60) as client:
        yield client


@pytest.fixture(params=["a limit", "a hold"])
def token(request: pytest.FixtureRequest, live: LiveServer, payer: Any) -> dict[str, Any]:
    """A token of the payer's that pays for a run and a hundred tokens: on its wallet, or out of another token."""
    bearer = {"Authorization": f"Bearer {make.key(payer, permissions=sorted(KEY_PERMISSIONS))}"}
    wanted = {"expires_in_s": 600, "redelegate": True}
    hook = {"url": "https://hooks.example.com/robutler", "topics": ["token.exhausted"]}
    with httpx.Client(base_url=live.url, headers=bearer) as client:
        _made(client.post("/api/v1/billing/webhook-endpoints", json=hook))
        if request.param == "a limit":
            return _made(client.post(TOKENS, json={**wanted, "cap_nanos": str(CAP_NANOS)}))
        root = _made(client.post(TOKENS, json={**wanted, "cap_nanos": str(10 * CAP_NANOS)}))
        holding = {"X-Payment-Token": root["token"]}
        cap = {"cap_nanos": str(CAP_NANOS)}
        return _made(client.post(f"{TOKENS}/{root['id']}/delegate", json=cap, headers=holding))


def _made(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def said(address: str, words: str, **fields: Any) -> dict[str, Any]:
    return {"model": address, "messages": ask(words), **fields}


def streamed(client: httpx.Client, body: dict[str, Any], **headers: str) -> tuple[str, list[str]]:
    """The run's id and the data of its stream."""
    with client.stream("POST", "/v1/chat/completions", json={**body, "stream": True}, headers=headers) as response:
        assert response.status_code == 200, response.read()
        lines = [line[6:] for line in response.iter_lines() if line.startswith("data: ")]
    return response.headers["x-robutler-run-id"], lines


def told_to(payer: Any) -> list[Any]:
    """What the payer hears of its tokens."""
    from billing.models import OutboxEvent
    from tests.billing import money

    with money.everything():
        return list(OutboxEvent.objects.filter(organization_id=payer.id, topic="token.exhausted"))


@pytest.mark.parametrize(
    "order",
    ["count-400", f'tool-calculate:usage=none {{"expression": "{LONG}"}}'],
    ids=["in a reply", "between two"],
)
def test_a_token_that_runs_dry_ends_the_stream_cleanly_and_its_payer_hears_of_it_once(
    poor: httpx.Client, payer: Any, token: dict[str, Any], echo: str, books: Books, order: str
) -> None:
    paying = {"X-Payment-Token": token["token"]}
    words = f"/{order}"

    run_id, lines = streamed(poor, said(echo, words), **paying)
    told = told_to(payer)
    refused = poor.post("/v1/chat/completions", json=said(echo, words), headers=paying)

    assert lines[-1] == "[DONE]"
    assert '"finish_reason":"length"' in "".join(lines)
    assert '"error"' not in "".join(lines)
    run = poor.get(f"/v1/runs/{run_id}").json()
    assert (run["status"], run["finish_reason"], run["stopped_by"]) == ("finished", "length", "budget")
    assert PER_RUN_NANOS < books.charged(run_id) <= CAP_NANOS
    assert (refused.status_code, refused.json()["error"]["code"]) == (402, "payment_token_cap_exceeded")
    assert [event.payload["payment_token_id"] for event in told] == [token["id"]]
    assert told_to(payer) == told
    assert books.balance()


def test_nobody_hears_of_a_token_that_covers_what_was_asked(
    poor: httpx.Client, payer: Any, token: dict[str, Any], echo: str
) -> None:
    streamed(poor, said(echo, f"/count-5:{uuid4().hex}"), **{"X-Payment-Token": token["token"]})

    assert told_to(payer) == []


# --- tools ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def dear(cast: Cast) -> str:
    """The address of an agent whose tool costs more than anybody here has."""
    return cast.publish(model=model_on("openai", "echo"), tool_prices={"calculate": 10 * CREDIT_NANOS})


def spending(live: LiveServer, nanos: int) -> httpx.Client:
    """A client with so much in its wallet."""
    key = make.key(make.wallet(make.organization("Spender"), nanos))
    return httpx.Client(base_url=live.url, headers={"Authorization": f"Bearer {key}"}, timeout=60)


def test_that_a_tool_cannot_be_paid_for_is_told_to_the_model_which_answers_without_it(
    live: LiveServer, dear: str, books: Books
) -> None:
    with spending(live, CREDIT_NANOS) as client:
        run_id, lines = streamed(client, said(dear, '/tool-calculate {"expression": "1+1"}'))
        run = client.get(f"/v1/runs/{run_id}").json()

    assert (run["status"], run["finish_reason"], run["turns"]) == ("finished", "stop", 2)
    assert "The tool said: There is not enough money left for this call of calculate." in _text(lines)
    assert books.is_closed(run_id)
    assert not [line for charge in run["charges"] for line in charge["lines"] if line["unit"] == "call"]
    assert int(run["charged_nanos"]) < CREDIT_NANOS


def test_of_two_tools_the_one_that_can_be_paid_for_is_carried_out(live: LiveServer, cast: Cast, books: Books) -> None:
    prices = {"calculate": CREDIT_NANOS // 4 * 3}
    agent = cast.publish(model=model_on("openai", "echo"), tool_prices=prices)
    both = '/tools-calculate+calculate [{"expression": "1+1"}, {"expression": "2+2"}]'

    with spending(live, CREDIT_NANOS) as client:
        run_id, lines = streamed(client, said(agent, both))
        run = client.get(f"/v1/runs/{run_id}").json()

    assert (run["status"], run["finish_reason"]) == ("finished", "stop")
    assert _text(lines).count("There is not enough money left") == 1
    (called,) = [line for charge in run["charges"] for line in charge["lines"] if line["unit"] == "call"]
    assert called["quantity"] in (1, "1")
    assert books.balance()


def test_a_run_that_can_pay_neither_for_its_tool_nor_for_its_next_step_stops(
    live: LiveServer, dear: str, books: Books
) -> None:
    with spending(live, PER_RUN_NANOS + 66 * PER_TOKEN_NANOS) as client:
        run_id, lines = streamed(client, said(dear, '/tool-calculate {"expression": "1+1"}'))
        run = client.get(f"/v1/runs/{run_id}").json()
        refused = client.post("/v1/chat/completions", json=said(dear, "/count-100"))

    assert lines[-1] == "[DONE]"
    assert (run["status"], run["finish_reason"], run["stopped_by"]) == ("finished", "length", "budget")
    assert books.is_closed(run_id)
    assert refused.status_code == 402


def _text(lines: list[str]) -> str:
    chunks = [json.loads(line) for line in lines if line != "[DONE]"]
    return "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])
