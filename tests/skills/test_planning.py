"""The planning skill."""

import pytest

from skills.planning import PlanningSkill
from skills.sdk import ToolRetry
from skills.sdk.testing import context, run_tool

STEPS = ["Read the offers", "Compare them", "Write the letter"]


async def test_a_plan_is_shown_with_what_is_done() -> None:
    skill, ctx = PlanningSkill(), context()

    await run_tool(skill, "write_plan", ctx=ctx, steps=STEPS)
    await run_tool(skill, "mark_step", ctx=ctx, number=1, state="done")
    shown = await run_tool(skill, "mark_step", ctx=ctx, number=2, state="in_progress")

    assert shown.splitlines() == ["1. [x] Read the offers", "2. [>] Compare them", "3. [ ] Write the letter"]


async def test_a_new_plan_takes_the_place_of_the_old_one() -> None:
    skill, ctx = PlanningSkill(), context()
    await run_tool(skill, "write_plan", ctx=ctx, steps=STEPS)

    assert await run_tool(skill, "write_plan", ctx=ctx, steps=["Ask again"]) == "1. [ ] Ask again"


async def test_runs_share_no_plan() -> None:
    skill = PlanningSkill()
    await run_tool(skill, "write_plan", ctx=context(), steps=STEPS)

    with pytest.raises(ToolRetry, match="no plan yet"):
        await run_tool(skill, "mark_step", ctx=context(), number=1, state="done")


@pytest.mark.parametrize("number", [0, -1, 4])
async def test_a_step_that_is_not_there_is_told(number: int) -> None:
    skill, ctx = PlanningSkill(), context()
    await run_tool(skill, "write_plan", ctx=ctx, steps=STEPS)

    with pytest.raises(ToolRetry, match="has 3 steps"):
        await run_tool(skill, "mark_step", ctx=ctx, number=number, state="done")


@pytest.mark.parametrize("count", [0, 4])
async def test_a_plan_has_so_many_steps_at_most(count: int) -> None:
    skill = PlanningSkill(PlanningSkill.Options(max_steps=3))

    with pytest.raises(ToolRetry, match="1 to 3 steps"):
        await run_tool(skill, "write_plan", steps=["again"] * count)
