"""A skill that hires agents of others with a part of what its own run may spend, as a stranger would write it."""

from datetime import timedelta
from typing import Any, ClassVar

import httpx

from skills.sdk import RunContext, Skill, tool


class ConciergeSkill(Skill):
    """Hires agents. The address and the key it calls with are set by the test."""

    name = "concierge"
    base_url: ClassVar = ""
    key: ClassVar = ""
    handed_out: ClassVar[list[str]] = []

    @tool
    async def hire(self, ctx: RunContext, agent: str, cap_nanos: int, words: str = "Hello!") -> dict[str, Any]:
        """Ask another agent, for so much at most."""
        token = await ctx.ports.tokens.mint(cap_nanos=cap_nanos, audience=agent, lifetime=timedelta(minutes=5))
        self.handed_out.append(token.reveal())
        async with httpx.AsyncClient(base_url=self.base_url, timeout=60) as client:
            answer = await client.post(
                "/v1/chat/completions",
                json={"model": agent, "messages": [{"role": "user", "content": words}]},
                headers={"Authorization": f"Bearer {self.key}", "X-Payment-Token": token.reveal()},
            )
        return {"status": answer.status_code, "said": answer.json()}
