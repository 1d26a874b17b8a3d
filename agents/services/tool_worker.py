"""Carrying a tool out on a worker: the run that asked for it waits elsewhere."""

import asyncio
import contextlib
import logging
import os
import threading
from functools import cache
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError

from agents import loader
from agents.adapters.http import SafeHttp
from agents.adapters.secrets import OwnersSecrets
from agents.adapters.storage import RowStorage
from agents.errors import AgentMisconfigured, AgentsUnavailable
from agents.loader import Loadable
from agents.models import ToolExecution
from agents.models.tool_execution import ToolState
from agents.runtime.agent import BaseAgent
from agents.runtime.progress import Reporter
from agents.runtime.tools import guarded
from agents.runtime.whole import whole, whole_text
from agents.services import tool_executions
from agents.services.tool_executions import Outcome
from skills.sdk.calls import ToolCall
from skills.sdk.context import Progress, RunCaller, RunContext, reporting
from skills.sdk.errors import SkillError, ToolTimedOut
from skills.sdk.ports import Absent, Ports
from tenants import notify
from tenants.context import organization_context
from tenants.errors import TenantsUnavailable
from tenants.threads import in_thread

BEATS_PER_LEASE = 3
TELL_AGAIN_S = 1.0
"""An end that the database does not take is told again, until the lease is over."""

_log = logging.getLogger(__name__)


def carry_out(execution_id: UUID) -> str:
    """Carry one out that waits, as the current organization; answers how it ended, or that it was not to be had."""
    row = tool_executions.take_up(execution_id)
    if row is None:
        return "not to be had"
    return asyncio.run_coroutine_threadsafe(_carried_out(row), _loop(os.getpid())).result()


async def _carried_out(row: ToolExecution) -> str:
    with organization_context(row.organization_id):
        news = _News()
        work = asyncio.create_task(_outcome(row, news))
        beating = asyncio.create_task(_beat(row, work, news))
        try:
            outcome = await work
        except asyncio.CancelledError:
            return "not this worker's any more"
        finally:
            beating.cancel()
            await asyncio.wait({beating})
        return str(outcome.state) if await _told(row, outcome, news.progress) else "too late"


class _News:
    """What the tool said last of its progress."""

    def __init__(self) -> None:
        self.progress: Progress | None = None
        self.came = asyncio.Event()

    def note(self, progress: Progress) -> None:
        self.progress = progress
        self.came.set()


async def _beat(row: ToolExecution, work: "asyncio.Task[Outcome]", news: _News) -> None:
    """Stay alive in the row, pass progress on, and stop the work once it is not this worker's any more."""
    while not work.done():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(settings.ROBUTLER.background_lease_s / BEATS_PER_LEASE):
                await news.came.wait()
        news.came.clear()
        said, news.progress = news.progress, None
        try:
            is_ours = await in_thread(tool_executions.beat, row, said)
        except (DatabaseError, TenantsUnavailable):
            continue
        if not is_ours:
            work.cancel()


async def _outcome(row: ToolExecution, news: _News) -> Outcome:
    reporting.set(Reporter(news.note))
    try:
        agent = await loader.load(
            Loadable(
                version_id=row.version_id,
                agent_id=row.agent_id,
                organization_id=row.agent_organization_id,
                slug=row.agent_slug,
            )
        )
        tool = agent.tools.get(row.tool)
        if tool is None:
            return Outcome(state=ToolState.FAILED, error=f"The agent has no tool {row.tool!r} any more.")
        content, info = await guarded(
            tool,
            _context(row, agent),
            ToolCall(id=row.call_id, name=row.tool, arguments=row.arguments),
            tool.arguments.parse(row.arguments),
            seconds=row.timeout_s,
            limit_bytes=agent.limits.tool_result_bytes,
        )
    except ToolTimedOut as error:
        return Outcome(state=ToolState.EXPIRED, error=str(error))
    except (SkillError, AgentMisconfigured, AgentsUnavailable) as error:
        return Outcome(state=ToolState.FAILED, error=str(error))
    if info is None:
        return Outcome(state=ToolState.SUCCEEDED, content=whole(content))
    return Outcome(
        state=ToolState.SUCCEEDED, content=whole(content), credits=info.credits, reason=whole_text(info.reason)[:200]
    )


def _context(row: ToolExecution, agent: BaseAgent) -> RunContext:
    """What the tool may know and reach: no model, no money, nobody to ask."""
    return RunContext(
        run_id=str(row.run_id),
        request_id=str(row.pk),
        agent_id=agent.id,
        agent_name=agent.name,
        organization_id=agent.organization_id,
        caller=RunCaller(organization_id=str(row.organization_id), **row.caller),
        ports=Ports(
            meter=Absent("meter"),
            secrets=OwnersSecrets(row.agent_organization_id),
            storage=RowStorage(
                caller_id=row.organization_id,
                agent_id=row.agent_id,
                agent_organization_id=row.agent_organization_id,
            ),
            http=SafeHttp(),
        ),
    )


async def _told(row: ToolExecution, outcome: Outcome, progress: Progress | None) -> bool:
    """Write down how it ended, for as long as the row can still be this worker's."""
    until = asyncio.get_running_loop().time() + settings.ROBUTLER.background_lease_s
    while True:
        try:
            return await in_thread(tool_executions.end, row, outcome, progress)
        except (DatabaseError, TenantsUnavailable):
            if asyncio.get_running_loop().time() > until:
                _log.exception("What %s came to could not be written down.", row.pk)
                return False
            await asyncio.sleep(TELL_AGAIN_S)


@cache
def _loop(pid: int) -> asyncio.AbstractEventLoop:
    """The event loop of this process, in a thread of its own; agents stay loaded between calls."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name=f"tools-{pid}", daemon=True).start()
    notify.start_listener()
    return loop
