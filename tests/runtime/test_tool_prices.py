"""Prices of tools that their skill works out, before the call and after it; and calls that nobody can pay for."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from skills.sdk import BudgetExhausted, Skill, ToolFailed, pricing, tool
from skills.sdk.testing import MemoryMeter
from tests.runtime.cast import Workshop, agent, ask, call, context, results


class PrinterSkill(Skill):
    """Prints, at a price that its options say."""

    name = "printer"

    class Options(Skill.Options):
        """What a page costs."""

        per_page: str = "0.1"

    options: Options

    def most(self, arguments: Mapping[str, Any]) -> Decimal:
        """What so many pages cost at most."""
        return Decimal(self.options.per_page) * int(arguments["pages"])

    def actual(self, result: str) -> Decimal:
        """What came out of it."""
        return Decimal(self.options.per_page) * len(result)

    @tool
    @pricing(lock="most", settle="actual")
    async def print_out(self, pages: int, jam_after: int = 100) -> str:
        """Print pages, as long as the paper comes."""
        if not jam_after:
            raise ToolFailed("It is jammed.")
        return "p" * min(pages + 1, jam_after)


async def test_a_price_may_be_said_by_methods_that_know_the_options() -> None:
    meter = MemoryMeter(credits="1")
    calls = [
        call("print_out", pages=3, jam_after=2),
        call("print_out", pages=4),
        call("print_out", pages=3, jam_after=0),
    ]
    printer = PrinterSkill(PrinterSkill.Options(per_page="0.05"))

    await ask(agent(printer, says=[{"text": "Now", "calls": calls}]), ctx=context(meter=meter))

    # Two of three pages; four, of which a fifth came out all the same; and none.
    assert meter.charged == {"print_out": Decimal("0.10") + Decimal("0.20")}
    assert meter.held == {}


@pytest.mark.parametrize("said_by", ["nobody", "name", "print_pages"])
def test_a_price_that_no_method_can_say_is_refused(said_by: str) -> None:
    class Lost(Skill):
        """Knows no price."""

        name = "lost"

        @tool
        @pricing(lock=said_by)
        async def print_pages(self) -> str:
            """Print."""
            return ""

    with pytest.raises(TypeError, match=said_by):
        agent(Lost())


async def test_that_a_tool_cannot_be_paid_for_is_told_to_the_model_which_goes_on_without_it() -> None:
    meter = MemoryMeter(credits="0.1")

    ctx = context(meter=meter)

    await ask(agent(Workshop(), says=[{"calls": [call("polish"), call("echo", text="-")]}, "ok"]), ctx=ctx)

    assert results(ctx) == ["There is not enough money left for this call of polish. Go on without it.", "-"]
    assert (meter.charged, meter.held) == ({}, {})


async def test_where_neither_a_tool_nor_the_next_turn_can_be_paid_for_the_run_ends() -> None:
    meter = MemoryMeter(credits="0.1", turns_paid_for=1)

    reply = await ask(agent(Workshop(), says=[{"text": "Now", "calls": [call("polish")]}]), ctx=context(meter=meter))

    assert (reply.text, reply.finish_reason, reply.stopped_by) == ("Now", "length", "budget")


async def test_a_tool_that_can_hand_nobody_the_money_it_needs_is_told_as_one_that_cannot_be_paid_for() -> None:
    class Spender(Skill):
        name = "spender"

        @tool
        async def hire(self) -> str:
            raise BudgetExhausted("The balance does not suffice for a payment token.")

    ctx = context()

    await ask(agent(Spender(), says=[{"calls": [call("hire")]}, "ok"]), ctx=ctx)

    assert results(ctx) == ["There is not enough money left for this call of hire. Go on without it."]
