"""Replies that outgrow what was reserved for them: the hold grows in time, or the reply ends as too long."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from django.db import connections

import outbound
from agents.errors import CostLimitTooLow
from agents.runtime.events import Event, Finished
from agents.services.drafts import SkillChoice
from agents.services.estimates import estimate_run
from agents.services.runs import RunStream, start_run
from billing.models import Hold, Settlement
from tenants.context import organization_context, platform_context
from tenants.models import Organization
from tenants.secret import Secret
from tenants.services import remove_credential, store_credential
from tenants.threads import in_thread
from tests.agents.cast import CREDIT, ask, balance, caller_of, funded, hosted, row_of, script, settled
from tests.fakes.upstream import Upstream

MODEL = "openai/gpt-4o"
READ, WRITTEN = 2_500, 10_000
"""What a token of it costs, in nanodollars."""
DEAF = 3_000
"""Tokens of a reply that does not stop at its limit of 2,048."""
A_HOLD = 25_000_000
"""More than is held for an open-ended reply, and less than twice that."""


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    """A provider that the platform pays."""
    with Upstream() as running:
        outbound.configure(allow=[running.address])
        key = await in_thread(_store, None, running.base_url)
        yield running
        await in_thread(_remove, key)
        outbound.configure()


def _store(organization: Organization | None, base_url: str) -> Any:
    owner = organization.id if organization else None
    with organization_context(owner) if owner else platform_context(reason="a test's credential"):
        return store_credential(
            organization_id=owner, provider="openai", secret=Secret("sk-growing-0123456789"), label=base_url[-90:],
            base_url=base_url,
        )  # fmt: skip


def _remove(key: Any) -> None:
    with platform_context(reason="remove a test's credential"):
        remove_credential(key)


async def sold(creator: Organization, **fields: Any) -> str:
    """The address of a public agent of the creator's, at half as much again as the model."""
    price = {"input_price_pico": None, "output_price_pico": None, "markup_bps": 5_000}
    skill = SkillChoice(skill="openai", options={"retries": 0})
    agent = await hosted(creator, skill, model=MODEL, visibility="public", **{**price, **fields})
    return f"{creator.slug}/{agent.slug}"


async def begun(payer: Organization, address: str, order: str, **fields: Any) -> RunStream:
    return await start_run(caller=caller_of(payer), address=address, request=ask(f"/{order}", stream=True, **fields))


async def rest_of(stream: RunStream) -> Finished:
    events: list[Event] = [event async for event in stream]
    await settled()
    last = events[-1]
    assert isinstance(last, Finished)
    return last


def books_of(stream: RunStream) -> tuple[Hold, Settlement]:
    with platform_context(reason="look at a test's run"):
        return Hold.objects.get(id=stream.run_id), Settlement.objects.get(pk=stream.run_id)


async def held_by(payer: Organization) -> int:
    return (await balance(payer)).held


async def test_an_open_ended_reply_is_reserved_for_as_it_grows(
    acme: Organization, globex: Organization, upstream: Upstream
) -> None:
    await funded(acme)
    stream = await begun(acme, await sold(globex), f"count-{DEAF}:deaf")
    first = await held_by(acme)

    last = await rest_of(stream)

    hold, found = await in_thread(books_of, stream)
    sale = upstream.exchanges[-1].sale
    assert (last.reasons, last.stopped_by, sale.tokens) == ({0: "stop"}, None, DEAF)
    assert hold.amount > first
    assert (found.cost, found.overrun) == (sale.prompt * READ + DEAF * WRITTEN, 0)
    assert found.creator_share == found.markup == found.cost // 2


async def test_where_there_is_no_more_the_reply_ends_as_too_long_and_costs_what_was_held(
    acme: Organization, globex: Organization, upstream: Upstream
) -> None:
    await funded(acme, A_HOLD)
    stream = await begun(acme, await sold(globex), "count-400000:deaf")

    last = await rest_of(stream)

    row = await row_of(acme, stream)
    hold, found = await in_thread(books_of, stream)
    assert (last.reasons, last.stopped_by) == ({0: "length"}, "budget")
    assert (row.status, row.finish_reason, row.stopped_by, row.error) == ("finished", "length", "budget", "")
    assert found.charged <= A_HOLD
    assert found.cost <= 2 * hold.amount
    assert found.loss == max(0, found.cost - found.platform_share)
    assert (await balance(acme)).available == A_HOLD - found.charged
    assert upstream.wait(lambda log: log.exchanges[-1].aborted_at is not None)


async def test_money_that_comes_in_time_lets_the_reply_go_on(
    acme: Organization, globex: Organization, upstream: Upstream
) -> None:
    await funded(acme, 4_000_000)
    stream = await begun(acme, await sold(globex), "count-1500:deaf:pace=1")
    assert stream.max_output_tokens is not None
    assert 64 <= stream.max_output_tokens < 300

    await anext(stream)
    await funded(acme)
    last = await rest_of(stream)

    _, found = await in_thread(books_of, stream)
    assert (last.reasons, upstream.exchanges[-1].sale.tokens) == ({0: "stop"}, 1500)
    assert (found.overrun, found.creator_share) == (0, found.markup)
    assert found.markup == found.cost // 2


async def test_of_an_owners_own_server_no_more_is_paid_than_the_reply_was_to_be_long(
    acme: Organization, globex: Organization, upstream: Upstream
) -> None:
    await funded(acme)
    await in_thread(_store, globex, upstream.base_url)
    stream = await begun(acme, await sold(globex), "count-400000:deaf")
    first = await held_by(acme)

    last = await rest_of(stream)

    hold, found = await in_thread(books_of, stream)
    assert (last.reasons, last.stopped_by) == ({0: "length"}, "output_tokens")
    assert (hold.amount, found.overrun) == (first, 0)
    assert found.charged <= first


async def test_a_callers_own_limit_is_not_outgrown(
    acme: Organization, globex: Organization, upstream: Upstream
) -> None:
    await funded(acme)
    stream = await begun(acme, await sold(globex), "count-400000:deaf", max_output_tokens=100)
    first = await held_by(acme)

    last = await rest_of(stream)

    hold, found = await in_thread(books_of, stream)
    assert (last.reasons, last.stopped_by) == ({0: "length"}, "output_tokens")
    assert hold.amount == first
    assert found.cost <= 3 * first


async def test_a_wallet_that_is_frozen_meanwhile_reserves_no_more_and_pays_what_was_held(
    acme: Organization, globex: Organization, upstream: Upstream
) -> None:
    await funded(acme)
    stream = await begun(acme, await sold(globex), "count-400000:deaf")
    await anext(stream)
    await in_thread(_freeze, acme)

    last = await rest_of(stream)

    _, found = await in_thread(books_of, stream)
    assert (last.reasons, last.stopped_by) == ({0: "length"}, "frozen")
    assert found.charged > 0
    assert await held_by(acme) == 0


async def test_a_run_whose_wallet_is_frozen_makes_no_further_call(acme: Organization) -> None:
    await funded(acme)
    calls = [{"name": "current_time", "arguments": {}}]
    model = script({"chunks": ["a" * 400] * 10, "calls": calls, "then": [{"text": "never"}]}, chunk_ms=30)
    agent = await hosted(acme, model, SkillChoice(skill="clock"), input_price_pico=0, output_price_pico=1_000_000)
    stream = await start_run(caller=caller_of(acme), address=agent.slug, request=ask(stream=True))
    await anext(stream)
    await in_thread(_freeze, acme)

    last = await rest_of(stream)

    assert (last.reasons, last.stopped_by) == ({0: "length"}, "frozen")
    assert (await row_of(acme, stream)).status == "finished"


def _freeze(organization: Organization) -> None:
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "UPDATE billing_account SET status = 'frozen' WHERE kind = 'wallet' AND organization_id = %s",
            (organization.id,),
        )


@pytest.mark.parametrize("fields", [{"max_cost_nanos": 3_000_000}, {}])
async def test_what_a_run_may_cost_at_most_bounds_its_hold(
    acme: Organization, globex: Organization, upstream: Upstream, fields: dict[str, int]
) -> None:
    await funded(acme)
    limits = {} if fields else {"cost_nanos": 3_000_000}
    address = await sold(globex, limits=limits)
    asked = ask("/count-1000", stream=True, **fields)
    told = await estimate_run(caller=caller_of(acme), address=address, request=asked)

    stream = await start_run(caller=caller_of(acme), address=address, request=asked)
    last = await rest_of(stream)

    hold, found = await in_thread(books_of, stream)
    assert 2_900_000 < hold.amount <= 3_000_000
    assert found.charged <= hold.amount
    assert last.reasons == {0: "length"}
    limit = (upstream.exchanges[-1].body or {})["max_tokens"]
    assert limit == stream.max_output_tokens
    assert told.max_output_tokens in (limit, limit + 1)
    assert (told.is_cut, told.hold_nanos) == (True, hold.amount)


async def test_a_run_that_may_cost_next_to_nothing_does_not_begin(
    acme: Organization, globex: Organization, upstream: Upstream
) -> None:
    await funded(acme)

    with pytest.raises(CostLimitTooLow) as refused:
        await begun(acme, await sold(globex), "count-20", max_cost_nanos=500_000)

    assert refused.value.required_nanos > 64 * WRITTEN
    assert upstream.exchanges == []
    left = await balance(acme)
    assert (left.held, left.available) == (0, CREDIT)


@pytest.mark.parametrize(("parameters", "each"), [({}, 1), ({"n": 3}, 3)])
async def test_every_reply_of_a_call_is_reserved_for(
    acme: Organization, globex: Organization, upstream: Upstream, parameters: dict[str, int], each: int
) -> None:
    await funded(acme, 20_000_000)

    stream = await begun(acme, await sold(globex), "count-9", parameters=parameters)
    held = await held_by(acme)
    await rest_of(stream)

    limit = (upstream.exchanges[-1].body or {})["max_tokens"]
    assert limit == stream.max_output_tokens
    assert each * limit * WRITTEN * 3 // 2 <= held <= 20_000_000
    assert held + 2 * each * WRITTEN * 3 // 2 > 20_000_000
