"""Limits at real servers: exactly what is allowed, the same for two processes, and also while their Redis is away."""

import asyncio

import pytest

from robutler_site.env import Environment
from tenants.limits import Limits
from tests import make
from tests.live.asking import all_at_once, in_turn
from tests.live.cast import Cast
from tests.live.pair import Pair, pair
from tests.live.server import LiveServer

__all__ = ["pair"]

FREE = {"price_per_run_nanos": 0, "output_price_pico": 0}
"""So that the wallet is not what is met first."""


@pytest.fixture(scope="module")
def greeter(cast: Cast) -> str:
    """The address of an agent that answers at once."""
    return cast.publish(model="scripted/persona", options={"rules": [{"text": "hi"}]}, **FREE)


def key(cast: Cast, **limits: int) -> str:
    """A new key of Globex's with these limits."""
    return make.key(cast.globex, limits=Limits(**limits))


def test_the_limits_of_an_installation_of_which_nobody_said_anything() -> None:
    limits = {name: field.default for name, field in Environment.model_fields.items() if name.startswith("requests_")}

    assert limits == {
        "requests_per_second": 10,
        "requests_per_minute": 60,
        "requests_per_hour": 1_000,
        "requests_per_day": 10_000,
    }


async def test_of_a_hundred_requests_in_a_second_exactly_the_burst_is_served(
    live: LiveServer, cast: Cast, greeter: str
) -> None:
    await all_at_once([live], key=cast.globex_key, address=greeter, count=3)

    limited = await asyncio.to_thread(key, cast, requests_per_second=10)
    volley = await all_at_once([live], key=limited, address=greeter, count=100)

    # A busy machine may take longer than a second for a hundred.
    most = 10 * (1 + int(volley.seconds))
    assert 10 <= volley.served <= most
    assert len(volley.refused) == 100 - volley.served
    assert {answer.json()["error"]["metadata"]["limit"] for answer in volley.refused} == {"requests_per_second"}
    assert {answer.headers["retry-after"] for answer in volley.refused} == {"1"}


async def test_who_waits_as_long_as_told_is_served(live: LiveServer, cast: Cast, greeter: str) -> None:
    limited = await asyncio.to_thread(key, cast, requests_per_second=1)
    volley = await all_at_once([live], key=limited, address=greeter, count=5)

    await asyncio.sleep(int(volley.refused[-1].headers["retry-after"]))
    again = await in_turn([live], key=limited, address=greeter, count=1)

    assert again.served == 1


@pytest.mark.parametrize("ask", [all_at_once, in_turn])
async def test_two_processes_enforce_one_limit(pair: Pair, cast: Cast, greeter: str, ask: object) -> None:
    limited = await asyncio.to_thread(key, cast, requests_per_hour=100)

    volley = await ask(pair.servers, key=limited, address=greeter, count=150)  # type: ignore[operator]

    assert 95 <= volley.served <= 105
    assert len(volley.refused) == 150 - volley.served
    assert volley.refused[-1].headers["x-ratelimit-remaining-hour"] == "0"


async def test_two_processes_share_places(pair: Pair, cast: Cast) -> None:
    rules = [{"text": "hi", "delay_ms": 2_000}]
    slow = await asyncio.to_thread(cast.publish, model="scripted/persona", options={"rules": rules}, **FREE)
    limited = await asyncio.to_thread(key, cast, max_parallel=4)

    volley = await all_at_once(pair.servers, key=limited, address=slow, count=10)
    again = await all_at_once(pair.servers, key=limited, address=slow, count=4)

    assert volley.served == 4
    assert {answer.json()["error"]["code"] for answer in volley.refused} == {"too_many_concurrent_requests"}
    assert again.served == 4


async def test_a_redis_that_stops_in_between_leaves_limits_and_no_errors(pair: Pair, cast: Cast, greeter: str) -> None:
    limited = await asyncio.to_thread(key, cast, requests_per_hour=40)
    before = await in_turn(pair.servers, key=limited, address=greeter, count=10)

    pair.redis.stop()
    without = await all_at_once(pair.servers, key=limited, address=greeter, count=100)
    pair.redis.start()

    assert before.served == 10
    # Each has half of it for itself: what it served before counts.
    assert without.served == 30
    assert len(without.refused) == 70
