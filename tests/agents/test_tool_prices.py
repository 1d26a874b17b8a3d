"""What an agent's owner asks for its tools: in place of the tool's own price, on the bill, and frozen by a version."""

from typing import Any

import pytest

from agents.errors import InvalidDraft
from agents.services import publishing
from agents.services.drafts import SkillChoice
from tenants.context import organization_context
from tenants.models import Organization
from tenants.threads import in_thread
from tests.agents.cast import CREDIT, ask, balance, caller_of, converse, funded, hosted, script
from tests.agents.test_bills import billed
from tests.agents.test_who_pays import stall

__all__ = ["stall"]

APPLES = script({"calls": [{"name": "apple", "arguments": {}}] * 2, "then": [{"text": "Here."}]})


@pytest.mark.parametrize(
    ("prices", "lines"),
    [
        ({}, [("apple", "call", 1, CREDIT // 4 * 1_000)] * 2),
        ({"apple": 7}, [("apple", "call", 1, 7_000)] * 2),
        ({"apple": 0}, []),
        ({"pear": 7}, [("apple", "call", 1, CREDIT // 4 * 1_000)] * 2),
    ],
)
async def test_a_call_costs_what_the_owner_asks_for_it(
    acme: Organization, globex: Organization, stall: SkillChoice, prices: dict[str, int], lines: list[Any]
) -> None:
    await funded(acme)
    agent = await hosted(globex, APPLES, stall, visibility="public", price_per_run_nanos=1, tool_prices=prices)

    text, stream = await converse(caller_of(acme), f"{globex.slug}/{agent.slug}")

    assert text == "Here."
    found = await billed(acme, stream)
    told = [(line.sku, line.unit, line.quantity, line.price_pico) for line in found.lines if line.unit == "call"]
    assert told == lines
    assert found.settlement is not None
    assert found.settlement.creator_share == 1 + sum(price // 1_000 for *_, price in lines)


async def test_a_free_tool_is_carried_out_with_nothing_left(acme: Organization, stall: SkillChoice) -> None:
    await funded(acme, 1)
    agent = await hosted(acme, APPLES, stall, price_per_run_nanos=1, tool_prices={"apple": 0})

    text, _ = await converse(caller_of(acme), agent)

    assert text == "Here."


async def test_two_calls_at_once_are_locked_together(
    acme: Organization, globex: Organization, stall: SkillChoice
) -> None:
    await funded(acme, 10)
    agent = await hosted(globex, APPLES, stall, visibility="public", tool_prices={"apple": 6})

    await converse(caller_of(acme), f"{globex.slug}/{agent.slug}", ask())

    left = await balance(acme)
    assert (left.held, left.available) == (0, 10 - 6)


async def test_f44_a_tool_that_says_twice_that_it_is_done_is_charged_once(
    acme: Organization, globex: Organization, stall: SkillChoice
) -> None:
    await funded(acme)
    twice = SkillChoice(skill=stall.skill, options={"tells_twice": True})
    agent = await hosted(globex, APPLES, twice, visibility="public", tool_prices={"apple": 7})

    _, stream = await converse(caller_of(acme), f"{globex.slug}/{agent.slug}")

    found = await billed(acme, stream)
    assert found.settlement is not None
    assert [line.quantity for line in found.lines if line.unit == "call"] == [1, 1]
    assert found.settlement.charged == 2 * 7


async def test_a_version_keeps_the_prices_it_was_published_with(acme: Organization, stall: SkillChoice) -> None:
    agent = await hosted(acme, APPLES, stall, tool_prices={"apple": 7})

    def change() -> dict[str, int]:
        with organization_context(acme.id):
            publishing.save_draft(agent, tool_prices={"apple": 9})
            agent.refresh_from_db()
            assert agent.published_version is not None
            prices: dict[str, int] = agent.published_version.tool_prices
            return prices

    assert await in_thread(change) == {"apple": 7}


@pytest.mark.parametrize("asked", [-1, 0.5, "7", True, 10**12 + 1])
def test_a_price_that_is_none_is_refused(acme: Organization, asked: Any) -> None:
    with organization_context(acme.id), pytest.raises(InvalidDraft) as refused:
        publishing.create_agent(slug="greengrocer", name="G", model="scripted/persona", tool_prices={"apple": asked})

    assert list(refused.value.fields) == ["tool_prices.apple"]
