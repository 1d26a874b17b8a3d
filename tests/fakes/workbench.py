"""A skill whose tools take as long as a test says, on a worker or in their run."""

import asyncio
import os
from decimal import Decimal
from pathlib import Path

from skills.sdk import PricingInfo, RunContext, Skill, pricing, tool

LOOK_S = 0.02


class WorkbenchSkill(Skill):
    """Works until a file is there; notes down each time it begins."""

    name = "workbench"

    class Options(Skill.Options):
        """Where it notes things down."""

        room: str = "/nowhere"

    options: Options

    @tool(background=True, timeout_s=120)
    async def saw(self, ctx: RunContext, plank: str) -> str:
        """Saw a plank; not to be done twice."""
        return await self._work(ctx, plank)

    @tool(background=True, idempotent=True, timeout_s=120)
    async def measure(self, ctx: RunContext, plank: str) -> str:
        """Measure a plank; as often as one likes."""
        return await self._work(ctx, plank)

    @tool(background=True, timeout_s=0.5)
    async def nap(self) -> str:
        """Take too long."""
        await asyncio.sleep(3_600)
        return "slept"

    @pricing(credits_per_call="0.25", reason="a shelf")
    @tool(background=True)
    def shelf(self, ctx: RunContext, boards: int) -> tuple[str, PricingInfo]:
        """Build a shelf, at so much a board."""
        ctx.progress(boards, boards, "boards")
        if not boards:
            raise ValueError("A shelf of nothing.")
        return f"a shelf of {boards}", PricingInfo(credits=Decimal("0.01") * boards, reason=f"{boards} boards")

    @tool(background=True)
    async def who(self, ctx: RunContext) -> dict[str, str | None]:
        """Say whom this is done for."""
        await ctx.ports.storage.put("workbench", "last", ctx.caller.organization_id)
        kept = await ctx.ports.storage.get_many("workbench", ["last"])
        return {**kept, "end_user": ctx.caller.end_user, "scope": ctx.caller.scope, "agent": ctx.agent_name}

    async def _work(self, ctx: RunContext, plank: str) -> str:
        room = Path(self.options.room)
        with (room / f"{plank}.begun").open("a") as begun:
            begun.write(f"{os.getpid()}\n")
        ctx.progress(1, 3, "marked")
        while not (room / f"{plank}.go").exists():  # noqa: ASYNC110 - another process makes it
            await asyncio.sleep(LOOK_S)
        ctx.progress(3, 3, "through")
        return f"{plank} is done"
