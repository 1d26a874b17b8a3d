"""Runs that were asked for over a socket: they go on while somebody follows, whether or not that socket stays."""

import asyncio
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from agents import selectors
from agents.selectors import Resolved
from agents.services import runs
from api import drain, metrics
from api.auth import require
from api.company import accompanied
from api.edge import ClientGone
from api.limits import Slot
from api.openai.schemas import Completion
from api.ws.broadcasts import TALK, Broadcast
from api.ws.frames import started
from tenants.caller import Caller
from tenants.permissions import CHAT_WRITE

_going_on: set[asyncio.Task[None]] = set()


@dataclass(frozen=True, kw_only=True)
class Talk:
    """What somebody asks an agent. `also_to` are groups that hear of it, too; `more` is told with its first frame."""

    run_id: UUID
    request_id: str
    caller: Caller
    owner: str
    address: str
    completion: Completion
    follower: str
    """The channel of the socket that asks."""
    conversation: str | None
    also_to: tuple[str, ...]
    more: dict[str, Any]


async def begin(talk: Talk) -> None:
    """Have the agent answer. Raises what keeps the run from beginning; what happens then is told by its broadcast."""
    begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(_go_on(talk, begun), name=f"talk {talk.run_id}")
    _going_on.add(task)
    task.add_done_callback(_going_on.discard)
    await asyncio.shield(begun)


async def _go_on(talk: Talk, begun: "asyncio.Future[None]") -> None:
    try:
        drain.refuse_when_draining()
        require(talk.caller, CHAT_WRITE)
        metrics.agent_requests(stream=True).inc()
        async with Slot(talk.caller) as slot:
            await _run(talk, slot, begun)
    except Exception as error:  # noqa: BLE001 the edge of a run: until it began its caller hears, then its followers did
        if not begun.done():
            begun.set_exception(error)


async def _run(talk: Talk, slot: Slot, begun: "asyncio.Future[None]") -> None:
    completion, caller = talk.completion, talk.caller
    agent = await selectors.published(caller, talk.address)
    await slot.begin(
        input_bytes=completion.size_bytes,
        output_tokens=completion.max_output_tokens,
        end_user=completion.end_user,
        agent=agent,
    )
    request = completion.as_run(run_id=talk.run_id, request_id=talk.request_id, conversation_id=talk.conversation)
    broadcast = _broadcast(talk, agent)
    try:
        stream = await runs.start_run(caller=caller, address=talk.address, request=request, watcher=broadcast)
    except BaseException:
        broadcast.forget()
        raise
    async with aclosing(stream) as run:
        slot.follow(run)
        broadcast.open()
        begun.set_result(None)
        with suppress(ClientGone):
            async with accompanied(_desertion(broadcast)):
                async for _ in run:
                    pass


def _broadcast(talk: Talk, agent: Resolved) -> Broadcast:
    key = (TALK, talk.caller.organization_id, talk.run_id)
    broadcast = Broadcast(key, owner=talk.owner, with_content=True, also_to=talk.also_to)
    broadcast.follow(talk.follower)
    name = agent.address_for(talk.caller.organization_id)
    broadcast.add(started(agent=name, started_at=datetime.now(UTC), conversation=talk.conversation, **talk.more))
    return broadcast


async def _desertion(broadcast: Broadcast) -> None:
    await broadcast.deserted()
    raise ClientGone
