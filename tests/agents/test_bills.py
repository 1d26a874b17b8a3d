"""The bill of a run: its lines add up to what was charged, to the nanodollar, whatever ran and however it ended."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, get_args
from uuid import uuid4

import pytest

from agents.runtime.events import Event
from agents.services.drafts import SkillChoice
from agents.services.runs import RunStream, start_run
from billing import reconcile
from billing.lines import Part
from billing.selectors import ChargeLines, charges_of_run
from skills.sdk import ModelFailed
from tenants.context import organization_context
from tenants.models import Organization
from tenants.threads import in_thread
from tests.agents.cast import CREDIT, ask, balance, caller_of, converse, funded, hosted, script, settled
from tests.agents.test_who_pays import MODEL, READ, WRITTEN, begun, sold, stall, upstream
from tests.fakes.upstream import Upstream

__all__ = ["stall", "upstream"]


def bill(payer: Organization, stream: RunStream) -> ChargeLines:
    """The run's own charge, as its payer sees it."""
    with organization_context(payer.id):
        (found,) = charges_of_run(payer.id, stream.run_id)
    return found


async def billed(payer: Organization, stream: RunStream) -> ChargeLines:
    """The bill of a run that has ended; it adds up."""
    await settled()
    found = await in_thread(bill, payer, stream)
    sums = {part: nanos for part, _, nanos in found.sums()}
    settlement = found.settlement
    if settlement is None:
        assert not any(sums.values())
        return found
    assert (settlement.cost, settlement.markup, settlement.fee) == tuple(sums.get(part, 0) for part in get_args(Part))
    assert settlement.charged == sum(sums.values())
    assert settlement.charged == settlement.creator_share + settlement.platform_share
    for line in found.lines:
        if line.unit != "basis_points":
            assert line.amount_pico == line.quantity * line.price_pico
    return found


def lines_of(found: ChargeLines) -> Sequence[tuple[Any, ...]]:
    return [(line.part, line.unit, line.quantity, line.price_pico) for line in found.lines]


async def read(stream: RunStream) -> list[Event]:
    return [event async for event in stream]


async def test_a_run_is_billed_by_what_its_model_and_its_agent_ask(
    acme: Organization, globex: Organization, upstream: Upstream
) -> None:
    await funded(acme)
    address = await sold(globex)
    stream = await begun(acme, address, "count-20")

    await read(stream)

    found, prompt = await billed(acme, stream), upstream.exchanges[-1].sale.prompt
    cost = prompt * READ + 20 * WRITTEN
    assert lines_of(found) == [
        ("cost", "input", prompt, READ * 1_000),
        ("cost", "output", 20, WRITTEN * 1_000),
        ("markup", "run", 1, 1_000_000_000),
        ("markup", "basis_points", cost, 5_000),
    ]
    assert [line.sku for line in found.lines] == [MODEL, MODEL, address, address]
    assert {line.source for line in found.lines} == {"provider"}
    assert found.charge.agent_id is not None


async def test_what_we_counted_ourselves_is_marked(
    acme: Organization, globex: Organization, upstream: Upstream
) -> None:
    await funded(acme)
    stream = await begun(acme, await sold(globex), "count-20:usage=none")

    await read(stream)

    found = await billed(acme, stream)
    assert [line.is_estimated for line in found.lines if line.unit in ("input", "output")] == [True, True]


async def test_attempts_in_vain_stand_on_the_bill_and_are_nobodys(
    acme: Organization, globex: Organization, upstream: Upstream
) -> None:
    await funded(acme)
    stream = await begun(acme, await sold(globex, options={"retries": 2}), "count-20:status=503:times=2")

    await read(stream)

    found = await billed(acme, stream)
    assert [(line.attempt, line.billable, line.reason) for line in found.lines if line.part == "cost"] == [
        (1, False, "retry"), (2, False, "retry"), (3, True, ""), (3, True, ""),
    ]  # fmt: skip


async def test_a_reply_that_never_came_stands_on_the_bill_and_is_nobodys(
    acme: Organization, globex: Organization, upstream: Upstream
) -> None:
    await funded(acme)
    stream = await start_run(caller=caller_of(acme), address=await sold(globex), request=ask("/count-20:cut=5"))

    with pytest.raises(ModelFailed):
        await read(stream)

    found = await billed(acme, stream)
    assert found.settlement is not None
    assert found.settlement.charged == 0
    assert {(line.billable, line.reason) for line in found.lines} == {(False, "not_delivered")}


async def test_each_call_of_a_priced_tool_is_a_line(
    acme: Organization, globex: Organization, stall: SkillChoice
) -> None:
    await funded(acme)
    calls = [{"name": "apple", "arguments": {}}] * 2
    model = script({"calls": calls, "then": [{"text": "Here."}]})
    agent = await hosted(globex, model, stall, visibility="public")

    _, stream = await converse(caller_of(acme), f"{globex.slug}/{agent.slug}")

    found = await billed(acme, stream)
    tools = [line for line in found.lines if line.unit == "call"]
    assert {(line.part, line.sku, line.source) for line in tools} == {("markup", "apple", "tool")}
    assert sum(line.quantity for line in tools) == 2
    assert len(tools) == 2
    assert found.settlement is not None
    assert found.settlement.creator_share == 500_000_000


@pytest.mark.parametrize("caller", [{}, {"test_mode": True}])
async def test_what_is_free_has_a_bill_that_says_so(acme: Organization, caller: dict[str, Any]) -> None:
    agent = await hosted(acme, script({"text": "hi"}))

    _, stream = await converse(caller_of(acme, **caller), agent)

    found = await billed(acme, stream)
    assert found.lines
    assert {line.billable for line in found.lines} == {False}


async def test_a_charge_says_whose_key_and_end_user_it_was(acme: Organization) -> None:
    await funded(acme)
    key_id = "01a21470-0000-7000-8000-000000000001"
    agent = await hosted(acme, script({"text": "hi"}), price_per_run_nanos=1_000)

    _, stream = await converse(caller_of(acme, key_id=key_id), agent, ask(end_user="somebody"))

    found = await billed(acme, stream)
    assert (str(found.charge.key_id), found.charge.end_user) == (key_id, "somebody")


async def test_f42_two_replies_of_one_name_are_two_sales_and_the_reconciliation_says_so(
    acme: Organization, globex: Organization, upstream: Upstream
) -> None:
    await funded(acme)
    address, same = await sold(globex), f"chatcmpl-{uuid4().hex}"
    before = await in_thread(_named_twice)

    streams = [await begun(acme, address, f"count-9:id={same}") for _ in range(2)]
    for stream in streams:
        await read(stream)

    bills = [await billed(acme, stream) for stream in streams]
    charged = {found.settlement.charged for found in bills if found.settlement is not None}
    assert len(charged) == 1
    assert (await balance(acme)).posted == CREDIT - 2 * charged.pop()
    named = {line.upstream_request_id for found in bills for line in found.lines if line.part == "cost"}
    assert named == {same}
    after = await in_thread(_named_twice)
    assert (after.state, after.ours, after.theirs) == ("beyond its goal", (before.ours or 0) + 1, 0)


def _named_twice() -> reconcile.Finding:
    report = reconcile.reconcile(day=datetime.now(UTC).date())
    (found,) = [each for each in report.findings if each.check == "providers name each reply once"]
    return found
