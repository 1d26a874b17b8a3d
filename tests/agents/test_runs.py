"""Runs from their start to their receipt: who may, what they cost, what is written down."""

import asyncio

import pytest

from agents.errors import AgentNotFound
from agents.models import RunContent
from agents.runtime.events import Finished
from agents.services.drafts import SkillChoice
from agents.services.estimates import estimate_run
from agents.services.runs import active_runs, start_run
from billing.errors import InsufficientFunds, PriceUnavailable
from skills.sdk import AccessDenied, ModelUnreachable
from tenants.context import organization_context
from tenants.models import Organization
from tenants.threads import in_thread
from tests.agents.cast import (
    CREDIT,
    ask,
    balance,
    caller_of,
    converse,
    funded,
    hosted,
    row_of,
    said,
    script,
    settled,
)

HELLO = {"match": "hello", "chunks": ["Good ", "day", "."]}


async def test_a_run_streams_and_is_paid_for_exactly(acme: Organization) -> None:
    await funded(acme)
    agent = await hosted(acme, script(HELLO), price_per_run_nanos=1_000_000)

    text, stream = await converse(caller_of(acme), agent)

    left = await balance(acme)
    assert text == "Good day."
    assert stream.receipt is not None
    assert (stream.receipt.status, stream.receipt.source) == ("finished", "provider")
    assert stream.receipt.charged_nanos >= 1_000_000
    assert (left.available, left.held) == (CREDIT - stream.receipt.charged_nanos, 0)


async def test_tokens_cost_what_the_agent_asks_for_them(acme: Organization) -> None:
    await funded(acme)
    usage = {"input_tokens": 8, "output_tokens": 10}
    agent = await hosted(
        acme, script({**HELLO, "usage": usage}), input_price_pico=2_000_000, output_price_pico=30_000_000
    )

    _, stream = await converse(caller_of(acme), agent)

    assert stream.receipt is not None
    assert (stream.receipt.usage.input_tokens, stream.receipt.usage.output_tokens) == (8, 10)
    own = 8 * 2_000 + 10 * 30_000
    assert own <= stream.receipt.charged_nanos <= own * 12 // 10


async def test_a_free_agent_needs_no_wallet(acme: Organization) -> None:
    agent = await hosted(acme, script(HELLO))

    text, stream = await converse(caller_of(acme), agent)

    assert text == "Good day."
    assert stream.receipt is not None
    assert stream.receipt.charged_nanos == 0


async def test_the_agents_own_tool_answers_within_the_run(acme: Organization) -> None:
    agent = await hosted(acme, SkillChoice(skill="calculator"))

    text, stream = await converse(caller_of(acme), agent, ask("What is 12 * 12?"))

    row = await row_of(acme, stream)
    assert "144" in text
    assert row.turns == 2


async def test_the_row_says_what_happened(acme: Organization) -> None:
    await funded(acme)
    agent = await hosted(acme, script(HELLO), price_per_run_nanos=5)
    request = ask()

    _, stream = await converse(caller_of(acme), agent, request)

    row = await row_of(acme, stream)
    assert stream.receipt is not None
    assert (row.id, row.status, row.finish_reason, row.address) == (request.run_id, "finished", "stop", agent.slug)
    assert (row.charged_nanos, row.output_tokens) == (
        stream.receipt.charged_nanos,
        stream.receipt.usage.output_tokens,
    )
    assert row.first_chunk_at is not None
    assert row.ended_at is not None
    assert row.started_at <= row.first_chunk_at <= row.ended_at


async def test_what_was_said_is_kept_only_where_the_agent_keeps_it(acme: Organization) -> None:
    forgetful, keeping = await hosted(acme, script(HELLO)), await hosted(acme, script(HELLO), keeps_content=True)

    _, one = await converse(caller_of(acme), forgetful)
    _, other = await converse(caller_of(acme), keeping, ask(end_user="eve"))

    await row_of(acme, one)
    contents = await in_thread(_contents, acme)
    assert [(content.id, content.reply, content.end_user) for content in contents] == [
        (other.run_id, "Good day.", "eve")
    ]


def _contents(organization: Organization) -> list[RunContent]:
    with organization_context(organization.id):
        return list(RunContent.objects.all())


async def test_an_empty_wallet_is_refused_before_anything_runs(acme: Organization) -> None:
    await funded(acme, 999)
    agent = await hosted(acme, script(HELLO), price_per_run_nanos=1_000)

    with pytest.raises(InsufficientFunds) as refused:
        await converse(caller_of(acme), agent)

    assert refused.value.required_nanos >= 1_000
    assert refused.value.available_nanos == 999
    assert active_runs() == 0


async def test_an_empty_wallet_runs_nothing_that_costs(acme: Organization) -> None:
    agent = await hosted(acme, script(HELLO), price_per_run_nanos=1_000)

    with pytest.raises(InsufficientFunds):
        await converse(caller_of(acme), agent)


async def test_a_model_without_any_price_is_refused(acme: Organization) -> None:
    agent = await hosted(acme, script(HELLO), input_price_pico=None, output_price_pico=None)

    with pytest.raises(PriceUnavailable):
        await converse(caller_of(acme), agent)


async def test_a_small_balance_buys_a_shorter_answer(acme: Organization) -> None:
    await funded(acme, 100_000)
    agent = await hosted(acme, input_price_pico=0, output_price_pico=1_000_000)

    text, stream = await converse(caller_of(acme), agent, ask("count to 5000"))

    left = await balance(acme)
    row = await row_of(acme, stream)
    assert stream.receipt is not None
    assert row.finish_reason == "length"
    assert text.startswith("1")
    assert 0 < stream.receipt.charged_nanos <= 100_000
    assert (left.available, left.held) == (100_000 - stream.receipt.charged_nanos, 0)


async def test_less_than_a_short_answer_is_refused(acme: Organization) -> None:
    await funded(acme, 10_000)
    agent = await hosted(acme, input_price_pico=0, output_price_pico=1_000_000)

    with pytest.raises(InsufficientFunds):
        await converse(caller_of(acme), agent)


async def test_a_failure_before_the_first_chunk_costs_nothing(acme: Organization) -> None:
    await funded(acme)
    agent = await hosted(acme, script({"error": "unreachable"}), price_per_run_nanos=1_000)
    stream = await start_run(caller=caller_of(acme), address=agent.slug, request=ask())

    with pytest.raises(ModelUnreachable):
        [event async for event in stream]

    left = await balance(acme)
    row = await row_of(acme, stream)
    assert (left.available, left.held) == (CREDIT, 0)
    assert stream.receipt is not None
    assert stream.receipt.charged_nanos == 0
    assert (row.status, row.error) == ("failed", "ModelUnreachable")


async def test_a_failure_in_the_middle_costs_what_was_delivered_and_not_the_run(acme: Organization) -> None:
    await funded(acme)
    rule = {"chunks": ["x" * 400, "y" * 400, "never"], "error": "unreachable", "error_after": 2}
    agent = await hosted(
        acme, script(rule), price_per_run_nanos=500_000_000, input_price_pico=0, output_price_pico=1_000_000
    )
    stream = await start_run(caller=caller_of(acme), address=agent.slug, request=ask(stream=True))

    events = [await anext(stream), await anext(stream)]
    with pytest.raises(ModelUnreachable):
        await anext(stream)

    assert said(events) == "x" * 400 + "y" * 400
    assert stream.receipt is not None
    assert stream.receipt.source == "counted"
    assert stream.receipt.usage.output_tokens == 200
    assert 200_000 <= stream.receipt.charged_nanos <= 240_000
    assert (await balance(acme)).held == 0


async def test_a_test_key_reaches_scripted_models_and_pays_nothing(acme: Organization) -> None:
    agent = await hosted(acme, script(HELLO), price_per_run_nanos=1_000)

    text, stream = await converse(caller_of(acme, test_mode=True), agent)

    assert text == "Good day."
    assert stream.receipt is not None
    assert stream.receipt.charged_nanos == 0
    assert (await row_of(acme, stream)).test_mode


async def test_a_test_key_reaches_no_other_model(acme: Organization) -> None:
    agent = await hosted(acme, model="openai/gpt-4o-mini")

    with pytest.raises(AccessDenied):
        await converse(caller_of(acme, test_mode=True), agent)


async def test_a_key_that_may_not_chat_is_refused(acme: Organization) -> None:
    agent = await hosted(acme, script(HELLO))

    with pytest.raises(AccessDenied):
        await converse(caller_of(acme, permissions=frozenset()), agent)


async def test_a_neighbour_is_told_what_a_stranger_to_nobody_is_told(acme: Organization, globex: Organization) -> None:
    agent = await hosted(acme, script(HELLO))

    said_of = []
    for address in (agent.slug, f"{acme.slug}/{agent.slug}", "nobody", f"{acme.slug}/nobody", "No/Such/Place", ""):
        with pytest.raises(AgentNotFound) as refused:
            await converse(caller_of(globex), address)
        said_of.append(str(refused.value))

    assert len(set(said_of)) == 1
    assert agent.slug not in said_of[0]


async def test_a_public_agent_of_another_earns_its_markup(acme: Organization, globex: Organization) -> None:
    await funded(globex)
    agent = await hosted(acme, script(HELLO), visibility="public", price_per_run_nanos=1_000_000)

    text, stream = await converse(caller_of(globex), f"{acme.slug}/{agent.slug}")

    assert text == "Good day."
    assert stream.public_name == f"{acme.slug}/{agent.slug}"
    assert (await balance(globex)).available < CREDIT
    row = await row_of(globex, stream)
    assert (row.agent_organization_id, row.organization_id) == (acme.id, globex.id)


async def test_the_last_event_of_a_whole_run_says_why_it_ended(acme: Organization) -> None:
    agent = await hosted(acme, script(HELLO))
    stream = await start_run(caller=caller_of(acme), address=agent.slug, request=ask())

    *_, last = [event async for event in stream]

    assert isinstance(last, Finished)
    assert last.reasons == {0: "stop"}


async def test_what_has_arrived_can_be_taken_at_once(acme: Organization) -> None:
    agent = await hosted(acme, script({"chunks": ["a", "b", "c"]}))
    stream = await start_run(caller=caller_of(acme), address=agent.slug, request=ask())

    first = await anext(stream)
    await settled()
    rest = stream.ready()

    assert said([first, *rest]) == "abc"
    assert [event async for event in stream] == []


async def test_exactly_as_many_runs_are_served_as_the_wallet_can_pay(acme: Organization) -> None:
    agent = await hosted(acme, script(HELLO), price_per_run_nanos=1_000_000)
    _, priced = await converse(caller_of(await funded(acme, 2_000_000)), agent)
    assert priced.receipt is not None
    each = priced.receipt.charged_nanos
    left = (await balance(acme)).available
    await funded(acme, 37 * each - left)

    served: list[str] = []
    refused: list[InsufficientFunds] = []

    async def call() -> None:
        try:
            served.append((await converse(caller_of(acme), agent))[0])
        except InsufficientFunds as error:
            refused.append(error)

    async with asyncio.TaskGroup() as group:
        for _ in range(200):
            group.create_task(call())

    assert (len(served), len(refused)) == (37, 163)
    assert set(served) == {"Good day."}
    after = await balance(acme)
    assert (after.posted, after.held, after.available) == (0, 0, 0)


async def test_an_image_by_address_is_held_for_like_an_image(acme: Organization) -> None:
    await funded(acme)
    agent = await hosted(acme, script(HELLO), input_price_pico=1_000_000)
    address = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    looks = ask(messages=[{"role": "user", "content": [address] * 3}], body_bytes=300)

    words = await estimate_run(caller=caller_of(acme), address=agent.slug, request=ask(body_bytes=300))
    images = await estimate_run(caller=caller_of(acme), address=agent.slug, request=looks)

    assert images.hold_nanos - words.hold_nanos > 3 * 4_000 * 1_000
