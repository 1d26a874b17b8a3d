"""The header X-Max-Cost-USD: what a request may cost at most, and what its answer is cut to for that."""

from typing import Any

import pytest

from tests import make
from tests.api.client import HELLO, ApiClient

CREDIT = 1_000_000_000
PER_TOKEN_PICO = 10_000_000
"""A hundred tokens of output are a thousandth of a dollar."""


@pytest.fixture
def talker(acme: Any) -> str:
    """The slug of an agent that says a thousand words, each at a price."""
    from agents.services.drafts import SkillChoice

    make.wallet(acme, CREDIT)
    script = SkillChoice(skill="scripted", options={"rules": [{"text": "word " * 1_000}]})
    return str(make.published(acme, skills=[script], output_price_pico=PER_TOKEN_PICO).slug)


def ask(client: ApiClient, talker: str, most: str, *, path: str = "/v1/chat/completions", **fields: Any) -> Any:
    send = client.stream if fields.get("stream") else client.post
    return send(path, {"model": talker, **HELLO, **fields}, **{"X-Max-Cost-USD": most})


def test_a_request_costs_no_more_than_it_says(acme_client: ApiClient, talker: str) -> None:
    answer = ask(acme_client, talker, "0.001")

    assert answer.status == 200
    assert answer.headers["x-robutler-max-tokens"] == "100"
    assert 0.0009 < float(answer.headers["x-robutler-cost"]) <= 0.001
    assert answer.json["choices"][0]["finish_reason"] == "length"


def test_a_stream_says_what_it_is_cut_to_before_it_begins(acme_client: ApiClient, talker: str) -> None:
    stream = ask(acme_client, talker, "0.002", stream=True)

    assert stream.headers["x-robutler-max-tokens"] == "200"
    assert stream.chunks[-1]["choices"][0]["finish_reason"] == "length"


def test_what_is_not_cut_says_nothing_of_it(acme_client: ApiClient, talker: str) -> None:
    answer = ask(acme_client, talker, "0.5", max_tokens=10)

    assert "x-robutler-max-tokens" not in answer.headers


def test_less_than_a_short_answer_is_refused(acme_client: ApiClient, acme: Any, talker: str) -> None:
    from billing import ledger

    before = ledger.balance(acme.id)

    answer = ask(acme_client, talker, "0.0005")

    error = answer.json["error"]
    assert (answer.status, error["code"], error["param"]) == (400, "max_cost_too_low", "X-Max-Cost-USD")
    assert error["metadata"] == {"required_nanos": "640000", "max_cost_nanos": "500000"}
    assert ledger.balance(acme.id) == before


@pytest.mark.parametrize("most", ["", "0", "-1", "1e3", "a dollar", "0.0000000001", "NaN", "Infinity", "1" * 20])
def test_what_is_no_amount_is_refused(acme_client: ApiClient, talker: str, most: str) -> None:
    answer = ask(acme_client, talker, most)

    assert (answer.status, answer.json["error"]["code"]) == (400, "invalid_value")
    assert answer.json["error"]["param"] == "X-Max-Cost-USD"


def test_an_estimate_takes_it_into_account(acme_client: ApiClient, talker: str) -> None:
    answer = ask(acme_client, talker, "0.001", path="/v1/estimate")

    assert (answer.json["max_output_tokens"], answer.json["cut"]) == (100, True)
    assert answer.json["hold_nanos"] == "1000000"


def test_embeddings_take_it_too(acme_client: ApiClient) -> None:
    body = {"model": "scripted/embedder", "input": "Hello"}

    answer = acme_client.post("/v1/embeddings", body, **{"X-Max-Cost-USD": "nothing"})

    assert (answer.status, answer.json["error"]["param"]) == (400, "X-Max-Cost-USD")
