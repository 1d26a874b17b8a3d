"""Every wait of a request ends, with an answer that says so: docs/reference/timeouts.md, stage by stage.

The waits for a client (its head, its body, its reading) are in test_server_limits.py and in tests/security/, those for
a model in test_openai_sdk.py and with the skills.
"""

import json
from collections.abc import Generator, Mapping
from typing import Any

import httpx
import pytest

from tests import make
from tests.live.books import Books
from tests.live.cast import CREDIT_NANOS, Cast
from tests.live.conftest import Start
from tests.live.server import LiveServer
from tests.live.test_leaving import streaming
from tests.live.waiting import eventually

HI = [{"role": "user", "content": "hi"}]


@pytest.fixture(scope="module")
def brisk(start: Start) -> Generator[LiveServer]:
    """A server that waits half a second for a look-up, and for the books."""
    with start(ROBUTLER_DATABASE_ANSWER_S="0.5", ROBUTLER_LEDGER_ANSWER_S="0.5") as running:
        yield running


def agent(cast: Cast, *rules: Mapping[str, Any], **fields: Any) -> str:
    """An agent of Acme's that nobody has called yet."""
    return cast.publish(model="scripted/persona", options={"rules": list(rules) or [{"text": "hello"}]}, **fields)


def ask(live: LiveServer, key: str, address: str) -> httpx.Response:
    body = {"model": address, "messages": HI}
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.post(f"{live.url}/v1/chat/completions", json=body, headers=headers, timeout=30)


def refusal(answer: httpx.Response) -> tuple[int, str, str]:
    """Status, code, and when to come back."""
    return answer.status_code, answer.json()["error"]["code"], answer.headers.get("retry-after", "")


def test_a_key_that_cannot_be_looked_up(brisk: LiveServer, cast: Cast, books: Books) -> None:
    address, unseen = agent(cast), make.key(cast.globex)

    with books.locked("tenants_apikey"):
        answer = ask(brisk, unseen, address)

    assert refusal(answer) == (503, "service_unavailable", "1")
    assert ask(brisk, unseen, address).status_code == 200


def test_an_agent_that_cannot_be_looked_up(brisk: LiveServer, cast: Cast, books: Books) -> None:
    address = agent(cast)
    assert ask(brisk, cast.globex_key, agent(cast)).status_code == 200  # the key is known

    with books.locked("agents_agent"):
        answer = ask(brisk, cast.globex_key, address)

    assert refusal(answer) == (503, "service_unavailable", "1")
    assert ask(brisk, cast.globex_key, address).status_code == 200


def test_money_that_cannot_be_reserved_is_not_reserved_later_either(
    brisk: LiveServer, cast: Cast, books: Books
) -> None:
    from billing import ledger

    address = agent(cast)
    payer = make.wallet(make.organization("Payer"), CREDIT_NANOS)
    key = make.key(payer)
    assert ask(brisk, key, address).status_code == 200
    paid = ledger.balance(payer.id).posted

    with books.locked("billing_account"):
        answer = ask(brisk, key, address)

    assert refusal(answer) == (503, "billing_unavailable", "1")
    assert eventually(lambda: ledger.balance(payer.id).held == 0, within_s=10)
    assert ledger.balance(payer.id).posted == paid
    assert ask(brisk, key, address).status_code == 200


def test_a_run_that_takes_too_long_before_it_says_anything(live: LiveServer, cast: Cast) -> None:
    address = agent(cast, {"text": "late", "delay_ms": 20_000}, limits={"seconds": 1})

    answer = ask(live, cast.globex_key, address)

    assert refusal(answer) == (504, "upstream_timeout", "")


def test_a_run_that_takes_too_long_while_it_speaks(live: LiveServer, cast: Cast, books: Books) -> None:
    address = cast.publish(
        model="scripted/persona",
        options={"rules": [{"text": "word " * 1_000}], "chunk_ms": 50},
        limits={"seconds": 1},
    )

    with streaming(live, cast, address, "go") as stream:
        *said, error, done = stream.rest()

    assert len(said) > 1
    assert json.loads(error)["error"]["code"] == "upstream_timeout"
    assert done == "[DONE]"
    assert eventually(lambda: books.is_closed(stream.run_id), within_s=5)
    assert books.charged(stream.run_id) > 0
