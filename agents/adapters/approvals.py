"""The Approvals port: a run waits for a member's decision, which wakes it wherever it was made."""

import asyncio
import json
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError

from agents.adapters.news import News
from agents.models.approval import ApprovalState
from agents.services import approvals
from skills.sdk import ToolFailed
from skills.sdk.context import Waited
from tenants.errors import TenantsUnavailable
from tenants.threads import in_thread

_news: Final = News(approvals.TOPIC)


class RunApprovals:
    """Asks the agent's own organization. While it waits, the time of the run stands still."""

    def __init__(self, *, organization_id: UUID, agent_id: UUID, agent_slug: str, run_id: UUID, waited: Waited) -> None:
        self._organization_id = organization_id
        self._agent_id = agent_id
        self._agent_slug = agent_slug
        self._run_id = run_id
        self._waited = waited

    async def ask(self, *, tool: str, arguments: Mapping[str, Any], reason: str) -> bool:
        """Wait for a member's decision. Raises ToolFailed when nobody decides in time."""
        seconds = settings.ROBUTLER.approval_s
        try:
            approval_id = await in_thread(
                approvals.ask,
                organization_id=self._organization_id,
                agent_id=self._agent_id,
                agent_slug=self._agent_slug,
                run_id=self._run_id,
                tool=tool,
                arguments=json.dumps(arguments, ensure_ascii=False, default=str),
                reason=reason,
                lasts=timedelta(seconds=seconds),
            )
        except (DatabaseError, TenantsUnavailable) as error:
            raise ToolFailed(f"Nobody can be asked about this call of {tool} at the moment.") from error
        with self._waited.standing_still():
            state = await self._decision(approval_id, seconds)
        if state == ApprovalState.EXPIRED:
            raise ToolFailed(f"Nobody decided about this call of {tool} within {seconds:g} seconds.")
        return state == ApprovalState.APPROVED

    async def _decision(self, approval_id: UUID, seconds: float) -> str:
        try:
            async with asyncio.timeout(seconds):
                return await _news.until(approval_id, partial(self._answer, approval_id))
        except TimeoutError:
            return ApprovalState.EXPIRED
        finally:
            await asyncio.shield(self._give_up(approval_id))

    async def _answer(self, approval_id: UUID) -> str | None:
        state = await in_thread(approvals.state_of, approval_id, organization_id=self._organization_id)
        return None if state == ApprovalState.PENDING else state

    async def _give_up(self, approval_id: UUID) -> None:
        try:
            await in_thread(approvals.give_up, approval_id, organization_id=self._organization_id)
        except (DatabaseError, TenantsUnavailable):
            return  # it expires by itself
