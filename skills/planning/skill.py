"""A plan that the model writes, follows and always has before its eyes."""

from typing import Annotated, Literal

from pydantic import Field

from skills.sdk import RunContext, Skill, ToolRetry, tool

State = Literal["open", "in_progress", "done", "dropped"]
Step = Annotated[str, Field(min_length=1, max_length=300)]
MARKS: dict[State, str] = {"open": " ", "in_progress": ">", "done": "x", "dropped": "-"}


class PlanningSkill(Skill):
    """Lets an agent plan what takes several steps, and keep count of what is done. A plan lasts as long as its run."""

    name = "planning"

    class Options(Skill.Options):
        """How long a plan may be."""

        max_steps: int = Field(default=20, ge=2, le=100, description="So many steps at most.")

    options: Options

    @tool
    async def write_plan(self, ctx: RunContext, steps: list[Step]) -> str:
        """Write down the steps of the work in order, in place of an earlier plan; before work that takes several.

        Args:
            steps: What is to be done, a short sentence each.
        """
        if not 1 <= len(steps) <= self.options.max_steps:
            raise ToolRetry(f"A plan has 1 to {self.options.max_steps} steps.")
        ctx.data[self.name] = {"steps": [(step, "open") for step in steps]}
        return self._shown(ctx)

    @tool
    async def mark_step(self, ctx: RunContext, number: int, state: State) -> str:
        """Say how far a step of the plan is.

        Args:
            number: Which step; the first one is 1.
        """
        plan = self._plan(ctx)
        if not 1 <= number <= len(plan):
            raise ToolRetry(f"The plan has {len(plan)} steps." if plan else "There is no plan yet: write one.")
        plan[number - 1] = (plan[number - 1][0], state)
        return self._shown(ctx)

    def _plan(self, ctx: RunContext) -> list[tuple[str, State]]:
        plan: list[tuple[str, State]] = ctx.data.get(self.name, {}).get("steps", [])
        return plan

    def _shown(self, ctx: RunContext) -> str:
        plan = self._plan(ctx)
        return "\n".join(f"{number}. [{MARKS[state]}] {step}" for number, (step, state) in enumerate(plan, start=1))
