"""`/ws/runs/{id}`: looking on while a run goes on, wherever it was asked for."""

from uuid import UUID

from agents.services.history import run_report
from api.openai.amounts import usd
from api.ws.broadcasts import VIEW
from api.ws.following import FollowingSocket
from api.ws.frames import text_of


class RunSocket(FollowingSocket):
    """What happens in one run of the caller's organization; of one that is over, what it came to."""

    route = "ws.runs"

    async def opened(self) -> None:
        """Tell the run from its beginning, as far as that is known."""
        run_id: UUID = self.scope["url_route"]["kwargs"]["run_id"]
        self.beside(self.catch_up(run_id, await self.follow(run_id, kind=VIEW)))

    async def not_told(self, run_id: UUID) -> None:
        """It does not go on any more, or never did."""
        assert self.caller is not None
        facts = (await run_report(self.caller, run_id)).facts
        row = facts.row
        await self.say(
            text_of(
                {
                    "type": "run.over" if facts.ended_at else "run.unheard",
                    "run": str(run_id),
                    "agent": facts.agent,
                    "status": facts.status,
                    "finish_reason": row.finish_reason or None if row else None,
                    "error": row.error or None if row else None,
                    "charged_nanos": str(facts.charged_nanos),
                    "charged_usd": usd(facts.charged_nanos),
                }
            )
        )
