"""The Background port: a worker carries a tool out, and its run waits, wherever that is."""

import asyncio
from functools import partial
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError

from agents.adapters.news import News
from agents.errors import TooManyToolExecutions
from agents.models import ToolExecution
from agents.models.tool_execution import OPEN_STATES, ToolState
from agents.runtime.whole import whole_text
from agents.selectors import Resolved
from agents.services import tool_executions
from agents.services.tool_executions import Asked
from skills.sdk import ToolFailed
from skills.sdk.context import Progress, RunCaller, Waited, reporting
from skills.sdk.ports import Carried
from tenants.errors import TenantsUnavailable
from tenants.threads import in_thread

_news: Final = News(tool_executions.TOPIC)


class RunBackground:
    """Has the agent's tools carried out for one run. While it waits, the time of the run stands still."""

    def __init__(self, *, version: Resolved, run_id: UUID, caller: RunCaller, waited: Waited) -> None:
        self._version = version
        self._run_id = run_id
        self._caller = caller
        self._organization_id = UUID(caller.organization_id)
        self._waited = waited

    async def execute(self, *, call_id: str, tool: str, arguments: str, timeout_s: float, idempotent: bool) -> Carried:
        """Have a worker carry the tool out, and wait for what it returns. Raises ToolFailed."""
        if len(arguments.encode(errors="replace")) > tool_executions.ARGUMENTS_BYTES:
            raise ToolFailed(f"{tool} was called with more than a worker is given.")
        asked = Asked(
            organization_id=self._organization_id,
            agent_organization_id=self._version.organization_id,
            agent_id=self._version.agent_id,
            agent_slug=self._version.slug,
            version_id=self._version.version_id,
            run_id=self._run_id,
            call_id=whole_text(call_id)[:128],
            tool=tool,
            arguments=whole_text(arguments),
            caller={name: value for name, value in vars(self._caller).items() if name != "organization_id"},
            idempotent=idempotent,
            timeout_s=min(timeout_s, settings.ROBUTLER.background_tool_s),
        )
        try:
            execution_id = await in_thread(tool_executions.ask, asked)
        except TooManyToolExecutions as error:
            raise ToolFailed(f"Too much is being done already to begin {tool}; try again later.") from error
        except (DatabaseError, TenantsUnavailable) as error:
            raise ToolFailed(f"No worker can be asked for {tool} at the moment.") from error
        with self._waited.standing_still():
            row = await self._ended(execution_id)
        if row.state != ToolState.SUCCEEDED or row.content is None:
            raise ToolFailed(row.error)
        return Carried(content=row.content, credits=row.credits, reason=row.reason)

    async def _ended(self, execution_id: UUID) -> ToolExecution:
        try:
            return await _news.until(execution_id, partial(self._end, execution_id))
        except asyncio.CancelledError:
            await asyncio.shield(self._give_up(execution_id))
            raise

    async def _end(self, execution_id: UUID) -> ToolExecution | None:
        row = await in_thread(tool_executions.look, execution_id, organization_id=self._organization_id)
        if row.state not in OPEN_STATES:
            return row
        tell = reporting.get()
        if tell is not None and row.done is not None:
            tell(Progress(done=row.done, total=row.total, note=row.note))
        return None

    async def _give_up(self, execution_id: UUID) -> None:
        try:
            await in_thread(tool_executions.give_up_waiting, execution_id, organization_id=self._organization_id)
        except (DatabaseError, TenantsUnavailable):
            return  # it expires by itself
