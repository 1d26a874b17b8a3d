"""The clients of the wild, each in an environment of its own, against one real server."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tests import make
from tests.live import environments, results
from tests.live.books import Books
from tests.live.cast import Cast
from tests.live.clients.seat import Seat
from tests.live.results import Client
from tests.live.server import LiveServer

pytestmark = [pytest.mark.prove, pytest.mark.timeout(1_500)]

CREDIT_NANOS = 1_000_000_000_000
SETTLED_WITHIN_S = 10.0
RULES = (
    # What a persona that reads schemas in their field only cannot know: those told in prose, and a model that thinks.
    {"match": "'setup' and 'punchline' keys", "text": '{"setup": "Why?", "punchline": "Because."}'},
    {"match": "as described", "text": '{"city": "Riga", "days": 3}'},
    {
        "match": "think about it",
        "text": "I have.",
        "usage": {"input_tokens": 100, "output_tokens": 20, "cached_input_tokens": 60, "reasoning_tokens": 15},
    },
)
WORDS = " ".join(f"word{number}" for number in range(100))


@pytest.fixture
def customer(database: None) -> Any:
    """An organization of its own for a client."""
    return make.wallet(make.organization("Customer"), CREDIT_NANOS)


@pytest.fixture
def seat(live: LiveServer, cast: Cast, customer: Any) -> Seat:
    """The customer's keys, and the agents that it calls."""
    return Seat(
        url=f"{live.url}/v1",
        key=make.key(customer),
        wrong_key="rb_live_wrong",
        poor_key=make.key(make.organization("Poor")),
        persona=cast.publish(model="scripted/persona", options={"rules": RULES}),
        echo=cast.talker("openai"),
        slow=cast.publish(model="scripted/slow", options={"rules": [{"text": WORDS}], "chunk_ms": 50}),
        broken=cast.talker("openai", "fault-cut"),
        crowded=cast.publish(
            model="scripted/crowded", options={"rules": [{"error": "rate_limited", "retry_after_s": 1}]}
        ),
    )


@pytest.mark.parametrize("client", results.CLIENTS, ids=lambda client: client.name)
def test_a_client_works_with_us(client: Client, seat: Seat, customer: Any, books: Books, tmp_path: Path) -> None:
    run = environments.node_cases if client.is_node else environments.python_cases

    cases = run(client.name, seat=asdict(seat), report=tmp_path / "report.json")

    _judge(cases, books, customer)
    results.keep(client, cases)


def _judge(cases: environments.Cases, books: Books, customer: Any) -> None:
    """Every case went well, and whatever the client left half-read is settled."""
    failures = [f"{case['name']}\n{case['reason']}" for case in cases if case["outcome"] == "failed"]
    assert cases
    assert not failures, "\n\n".join(failures)
    deadline = time.monotonic() + SETTLED_WITHIN_S
    while books.open_holds(customer.id) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert books.open_holds(customer.id) == 0
    assert books.balance()
