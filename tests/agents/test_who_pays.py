"""The table of docs/explanation/who-pays.md, row by row, as far as one process shows it; the rest is in tests/live."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from importlib.metadata import EntryPoint
from typing import Any

import pytest

import outbound
from agents.services import run_task
from agents.services.drafts import SkillChoice
from agents.services.runs import RunStream, start_run
from billing import ledger
from billing.models import Settlement
from skills import registry
from skills.sdk import ModelFailed, ReplyWithheld, aborts
from tenants.context import organization_context, platform_context
from tenants.models import Organization, ProviderCredential
from tenants.secret import Secret
from tenants.services import remove_credential, store_credential
from tenants.threads import in_thread
from tests.agents.cast import CREDIT, ask, balance, caller_of, converse, funded, hosted, row_of, script, settled
from tests.billing.money import Books, broken_rules, expire, sweep
from tests.fakes.upstream import Upstream

MODEL = "openai/gpt-4o"
READ, WRITTEN = 2_500, 10_000
"""What a token of it costs, in nanodollars."""
HALF = 5_000
"""A markup of half the cost, in basis points."""
PER_RUN = 1_000_000
PIECES = 12


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    """A provider that the platform pays."""
    with Upstream() as running:
        outbound.configure(allow=[running.address])
        key = await in_thread(_store, None, running.base_url)
        yield running
        await in_thread(_remove, key)
        outbound.configure()


@pytest.fixture
def billing_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """The provider is one that bills on after an abort."""
    monkeypatch.setattr(aborts, "BILLING_ON", frozenset(("openai",)))


@pytest.fixture
def stall(monkeypatch: pytest.MonkeyPatch) -> Iterator[SkillChoice]:
    """A skill with a price and a guard."""
    entry = EntryPoint(name="stall", value="tests.fakes.stall:StallSkill", group=registry.ENTRY_POINT_GROUP)
    known = {**registry._known(), "stall": entry}
    monkeypatch.setattr(registry, "_known", lambda: known)
    yield SkillChoice(skill="stall")
    registry.skill_class.cache_clear()


def _store(organization: Organization | None, base_url: str) -> ProviderCredential:
    secret, owner = Secret("sk-who-pays-0123456789"), organization.id if organization else None
    with organization_context(owner) if owner else platform_context(reason="a test's credential"):
        return store_credential(
            organization_id=owner, provider="openai", secret=secret, label=base_url[-90:], base_url=base_url
        )


def _remove(key: ProviderCredential) -> None:
    with platform_context(reason="remove a test's credential"):
        remove_credential(key)


async def sold(creator: Organization, **fields: Any) -> str:
    """The address of a public agent of the creator's, with a markup and a price per run."""
    options = {"retries": 0, **fields.pop("options", {})}
    price = {"input_price_pico": None, "output_price_pico": None, "markup_bps": HALF, "price_per_run_nanos": PER_RUN}
    skills = [SkillChoice(skill="openai", options=options), *fields.pop("skills", ())]
    agent = await hosted(creator, *skills, model=MODEL, visibility="public", **{**price, **fields})
    return f"{creator.slug}/{agent.slug}"


async def begun(payer: Organization, address: str, order: str, **fields: Any) -> RunStream:
    return await start_run(caller=caller_of(payer), address=address, request=ask(f"/{order}", stream=True, **fields))


async def read_to_its_error(stream: RunStream) -> type[BaseException]:
    with pytest.raises(ModelFailed) as caught:
        [event async for event in stream]
    return type(caught.value)


def counted(upto: int) -> int:
    """The tokens of `1 2 3 …`, four bytes each."""
    return -(-len("".join(f"{i} " for i in range(1, upto + 1))) // 4)


def settlement(stream: RunStream) -> Settlement | None:
    with platform_context(reason="look at a test's settlement"):
        return Settlement.objects.filter(pk=stream.run_id).first()


async def paid(payer: Organization, stream: RunStream) -> Settlement:
    """What the run came to; the books are in order, and nothing is held."""
    await settled()
    found = await in_thread(settlement, stream)
    left = await balance(payer)
    assert found is not None
    assert (left.held, left.available) == (0, CREDIT - found.charged)
    assert await in_thread(broken_rules) == {}
    return found


async def nobody_paid(payer: Organization, stream: RunStream) -> None:
    await settled()
    found = await in_thread(settlement, stream)
    assert found is None or (found.charged, found.creator_share) == (0, 0)
    assert await balance(payer) == ledger.Balance(posted=CREDIT, held=0, available=CREDIT)
    assert await in_thread(broken_rules) == {}


@pytest.mark.parametrize("order", ["count-20:status=500", "count-20:hangup"])
async def test_p01_an_error_before_the_first_token_costs_nothing(
    acme: Organization, globex: Organization, upstream: Upstream, order: str
) -> None:
    await funded(acme)

    stream = await begun(acme, await sold(globex), order)
    await read_to_its_error(stream)

    await nobody_paid(acme, stream)


async def test_p02_an_empty_reply_without_a_reason_costs_nothing(
    acme: Organization, globex: Organization, upstream: Upstream
) -> None:
    await funded(acme)

    stream = await begun(acme, await sold(globex), "count-0:nofinish")
    await read_to_its_error(stream)

    await nobody_paid(acme, stream)


async def test_p03_a_stream_that_fails_costs_what_was_delivered_and_not_the_run(
    acme: Organization, globex: Organization, upstream: Upstream
) -> None:
    await funded(acme)

    stream = await begun(acme, await sold(globex), "count-20:cut=5")
    await read_to_its_error(stream)

    found, row = await paid(acme, stream), await row_of(acme, stream)
    assert row.output_tokens == counted(5)
    assert found.cost == row.input_tokens * READ + counted(5) * WRITTEN
    assert (found.markup, found.source) == (found.cost // 2, "counted")
    assert (found.charged, found.creator_share) == (found.cost + found.markup, found.markup)


async def test_p03_a_whole_reply_that_never_came_costs_nothing(
    acme: Organization, globex: Organization, upstream: Upstream
) -> None:
    await funded(acme)
    address = await sold(globex)
    stream = await start_run(caller=caller_of(acme), address=address, request=ask("/count-20:cut=5"))

    await read_to_its_error(stream)

    await nobody_paid(acme, stream)


@pytest.mark.parametrize("taken", range(1, PIECES, 2))
async def test_p04_who_leaves_a_provider_that_stops_pays_for_what_had_come(
    acme: Organization, globex: Organization, upstream: Upstream, taken: int
) -> None:
    await funded(acme)
    stream = await begun(acme, await sold(globex), "count-400:pace=10")

    for _ in range(taken):
        await anext(stream)
    await stream.aclose()

    found, row = await paid(acme, stream), await row_of(acme, stream)
    sold_tokens = upstream.exchanges[-1].sale.tokens
    assert (row.status, found.source) == ("disconnected", "counted")
    assert counted(taken) <= row.output_tokens <= counted(sold_tokens) <= counted(taken + 3)
    assert found.markup == found.cost // 2 + PER_RUN
    assert await asyncio.to_thread(upstream.wait, lambda log: log.exchanges[-1].aborted_at is not None)


async def test_p04_thoughts_that_had_come_are_paid_for_as_words_are(
    acme: Organization, globex: Organization, upstream: Upstream
) -> None:
    await funded(acme)
    stream = await begun(acme, await sold(globex), "count-20:reasoning=9:stall=0")

    for _ in range(9):
        await anext(stream)
    await stream.aclose()

    await paid(acme, stream)
    assert (await row_of(acme, stream)).output_tokens == -(-9 * len("thought 0. ") // 4)


async def test_p04_who_leaves_before_anything_has_come_pays_nothing(
    acme: Organization, globex: Organization, upstream: Upstream
) -> None:
    await funded(acme)
    stream = await begun(acme, await sold(globex), "count-20:mute")

    assert await asyncio.to_thread(upstream.wait, lambda log: bool(log.exchanges))
    await stream.aclose()

    await nobody_paid(acme, stream)


@pytest.mark.parametrize("taken", range(0, PIECES, 2))
async def test_p05_a_provider_that_bills_on_is_heard_out_and_paid_by_its_own_count(
    acme: Organization, globex: Organization, upstream: Upstream, billing_on: None, taken: int
) -> None:
    await funded(acme)
    stream = await begun(acme, await sold(globex), f"count-{PIECES}:pace=5")
    assert await asyncio.to_thread(upstream.wait, lambda log: bool(log.exchanges))

    for _ in range(taken):
        await anext(stream)
    await stream.aclose()

    found, row = await paid(acme, stream), await row_of(acme, stream)
    sale = upstream.exchanges[-1].sale
    assert (row.status, row.output_tokens, found.source) == ("disconnected", PIECES, "provider")
    assert found.cost == sale.prompt * READ + PIECES * WRITTEN
    assert upstream.exchanges[-1].aborted_at is None


async def test_p05_nobody_is_heard_out_for_longer_than_a_minute(
    acme: Organization, globex: Organization, upstream: Upstream, billing_on: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_task, "HEARD_OUT_S", 0.2)
    await funded(acme)
    stream = await begun(acme, await sold(globex), "count-400:stall=7")

    for _ in range(3):
        await anext(stream)
    await stream.aclose()
    await settled(within_s=2)

    found = await paid(acme, stream)
    assert (found.source, (await row_of(acme, stream)).output_tokens) == ("counted", counted(7))


async def test_p05_of_many_who_leave_at_once_four_are_heard_out(
    acme: Organization, globex: Organization, upstream: Upstream, billing_on: None
) -> None:
    await funded(acme, 10 * CREDIT)
    address = await sold(globex)
    streams = [await begun(acme, address, "count-20:pace=10") for _ in range(6)]

    for stream in streams:
        await anext(stream)
    for stream in streams:
        await stream.aclose()
    await settled()

    sources = [found.source for stream in streams if (found := await in_thread(settlement, stream))]
    assert sorted(sources) == ["counted"] * 2 + ["provider"] * 4


async def test_p06_who_leaves_before_a_byte_was_sent_pays_a_provider_that_bills_on(
    acme: Organization, globex: Organization, upstream: Upstream, billing_on: None
) -> None:
    await funded(acme)
    stream = await begun(acme, await sold(globex), "count-8:reasoning=4:pace=5")
    assert await asyncio.to_thread(upstream.wait, lambda log: bool(log.exchanges))

    await stream.aclose()

    assert (await paid(acme, stream)).source == "provider"
    assert (await row_of(acme, stream)).output_tokens == 12


async def test_p08_a_tool_that_does_not_succeed_costs_nothing(acme: Organization, stall: SkillChoice) -> None:
    await funded(acme)
    calls = [{"name": "apple", "arguments": {"is_rotten": is_rotten}} for is_rotten in (True, False)]
    agent = await hosted(acme, script({"calls": calls, "then": [{"text": "Here."}]}), stall)

    text, stream = await converse(caller_of(acme), agent)

    assert text == "Here."
    assert (await paid(acme, stream)).charged == CREDIT // 4


async def test_p09_an_answer_that_comes_too_late_is_charged_out_of_what_is_left(
    acme: Organization, globex: Organization, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.services.running.CHECKPOINT_S", 60)
    await funded(acme)
    stream = await begun(acme, await sold(globex), "count-20:pace=30")
    await anext(stream)

    await in_thread(expire, stream.run_id)
    await in_thread(sweep)
    released = await balance(acme)
    assert [event async for event in stream]

    assert released.held == 0
    found = await paid(acme, stream)
    assert (found.late, found.source) == (True, "provider")
    assert (found.reserved, found.charged) == (0, found.cost + found.markup)
    assert found.creator_share == found.markup


async def test_p10_what_a_provider_writes_beyond_its_limit_earns_the_creator_nothing(
    acme: Organization, globex: Organization, upstream: Upstream
) -> None:
    await funded(acme)
    address = await sold(globex)

    stream = await begun(acme, address, "count-40:deaf", max_output_tokens=10)
    assert [event async for event in stream]

    found, sale = await paid(acme, stream), upstream.exchanges[-1].sale
    assert sale.tokens == 40
    assert found.cost == sale.prompt * READ + 40 * WRITTEN
    assert found.creator_share <= found.reserved - (found.cost - found.overrun)
    assert found.markup == (sale.prompt * READ + 10 * WRITTEN) // 2 + PER_RUN


async def test_p11_an_attempt_that_did_not_deliver_costs_nothing(
    acme: Organization, globex: Organization, upstream: Upstream
) -> None:
    await funded(acme)
    address = await sold(globex, options={"retries": 1})

    stream = await begun(acme, address, "count-20:status=503:times=1")
    assert [event async for event in stream]

    found = await paid(acme, stream)
    assert [exchange.status for exchange in upstream.exchanges] == [503, 200]
    assert found.cost == upstream.exchanges[-1].sale.prompt * READ + 20 * WRITTEN


async def test_p12_for_a_reply_that_a_guard_keeps_back_the_creator_gets_nothing(
    acme: Organization, globex: Organization, upstream: Upstream, stall: SkillChoice
) -> None:
    await funded(acme)
    stream = await begun(acme, await sold(globex, skills=[stall]), "echo a secret")

    with pytest.raises(ReplyWithheld):
        [event async for event in stream]

    found = await paid(acme, stream)
    assert found.cost > 0
    assert (found.charged, found.creator_share) == (found.cost, 0)


async def test_p16_on_the_owners_own_key_the_provider_is_the_owners_to_pay(
    acme: Organization, globex: Organization, upstream: Upstream
) -> None:
    await funded(acme)
    await in_thread(_store, globex, upstream.base_url)
    books = await in_thread(Books)

    stream = await begun(acme, await sold(globex), "count-20")
    assert [event async for event in stream]

    found = await paid(acme, stream)
    assert (found.platform_credential, found.creator_share) == (False, found.cost + found.markup)
    assert "provider_cost" not in await in_thread(books.changes)


async def test_p16_an_owner_who_calls_on_an_own_key_owes_the_fee_alone(
    globex: Organization, upstream: Upstream
) -> None:
    await funded(globex)
    await in_thread(_store, globex, upstream.base_url)
    stream = await begun(globex, await sold(globex), "count-20")

    assert [event async for event in stream]

    await nobody_paid(globex, stream)
