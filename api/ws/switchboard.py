"""Asking about runs, whichever web process they are in: to follow one, to be left alone by it, to stop it."""

import asyncio
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Final, Literal, TypeAlias
from uuid import UUID

from channels.layers import get_channel_layer

from agents.errors import RunNotFound
from agents.services.watching import Watched, watched
from api.ws.broadcasts import TALK, VIEW, Broadcast, known
from api.ws.frames import started

EVERYBODY: Final = "switchboard"

Wish: TypeAlias = Literal["follow", "leave", "stop"]


@dataclass(frozen=True, kw_only=True)
class Question:
    """What the socket at `channel` asks of a run.

    `owner` is who asks, and `key` the only key whose runs it may see, if there is one. What it wants: to follow the
    run from frame `number` on, not to follow it any more, or to stop it.
    """

    wants: Wish
    kind: str
    organization: str
    key: str | None
    run: str
    owner: str
    channel: str
    number: int = 0

    async def answered(self) -> bool:
        """Do what is asked, if the run is one of this process; whether it is."""
        try:
            match self.wants:
                case "follow":
                    broadcast = self._broadcast()
                    broadcast.follow(self.channel)
                    await get_channel_layer().send(self.channel, broadcast.since(self.number))
                case "leave":
                    self._broadcast().leave(self.channel)
                case "stop" if self._broadcast().key[0] == TALK:
                    self._watched().stop()
        except RunNotFound:
            return False
        return True

    def _broadcast(self) -> Broadcast:
        broadcast = known((self.kind, UUID(self.organization), UUID(self.run)))
        if broadcast is None and self.kind == VIEW and self.wants == "follow":
            broadcast = self._viewed()
        if broadcast is None or broadcast.owner != self.owner:
            raise RunNotFound
        return broadcast

    def _viewed(self) -> Broadcast:
        """The broadcast of a run that nobody has looked at so far."""
        run = self._watched()
        key = (VIEW, UUID(self.organization), UUID(self.run))
        broadcast = Broadcast(key, owner=self.owner, with_content=run.keeps_content)
        broadcast.add(started(agent=run.public_name, started_at=run.started_at))
        run.tell(broadcast)
        broadcast.open()
        return broadcast

    def _watched(self) -> Watched:
        key_id = None if self.key is None else UUID(self.key)
        return watched(UUID(self.run), organization_id=UUID(self.organization), key_id=key_id)


class Switchboard:
    """The ear and the mouth of this process."""

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Listen from now on; once is enough."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._listen(), name="switchboard")

    def close(self) -> None:
        """Listen no more."""
        if self._task is not None:
            self._task.cancel()

    async def ask(self, question: Question) -> None:
        """Have whoever has the run do what is asked: this process, else another. Nobody may have it."""
        if not await question.answered():
            await get_channel_layer().group_send(EVERYBODY, {"type": "question", "question": asdict(question)})

    async def _listen(self) -> None:
        layer = get_channel_layer()
        channel = await layer.new_channel()
        await layer.group_add(EVERYBODY, channel)
        try:
            while True:
                message = await layer.receive(channel)
                await Question(**message["question"]).answered()
        finally:
            with suppress(OSError):
                await layer.group_discard(EVERYBODY, channel)


switchboard: Final = Switchboard()
