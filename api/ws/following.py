"""A socket that follows runs: it hears their frames in order, each once, and asks for those that it missed."""

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from agents.errors import RunNotFound
from agents.services.visibility import key_to_read
from api.ws.broadcasts import TALK, VIEW, group_of
from api.ws.frames import text_of
from api.ws.sockets import Socket
from api.ws.switchboard import Question, Wish, switchboard

MOST_FOLLOWED: Final = 64
"""Of so many runs a socket knows how far it has heard them; the earliest is forgotten first."""
ANSWERED_WITHIN_S: Final = 2.0


@dataclass(kw_only=True)
class Followed:
    """How far a run has been heard."""

    kind: str
    next: int = 0
    is_over: bool = False
    asked_at: float | None = None
    """When frames were asked for that have not come yet."""


class FollowingSocket(Socket):
    """What the sockets have in common on which runs are heard."""

    def __init__(self) -> None:
        super().__init__()
        self._followed: OrderedDict[UUID, Followed] = OrderedDict()
        self._groups: set[str] = set()

    @property
    def owner(self) -> str:
        """Whose the runs are that this socket starts and may follow: of its key, or of a person in an organization."""
        assert self.caller is not None
        if self.caller.key_id is not None:
            return f"key {self.caller.key_id}"
        return f"member {self.caller.user_id} of {self.caller.organization_id}"

    async def join(self, group: str) -> None:
        """Hear what the group is told."""
        if group not in self._groups:
            self._groups.add(group)
            await self.channel_layer.group_add(group, self.channel_name)

    async def follow(self, run_id: UUID, *, kind: str, number: int = 0) -> Followed:
        """Hear a run's frames from this number on."""
        assert self.caller is not None
        await self.join(group_of(kind, self.caller.organization_id, run_id))
        followed = self._followed[run_id] = Followed(kind=kind, next=number)
        self._followed.move_to_end(run_id)
        while len(self._followed) > MOST_FOLLOWED:
            self._followed.popitem(last=False)
        return followed

    async def catch_up(self, run_id: UUID, followed: Followed) -> None:
        """Ask for what was missed. Raises RunNotFound when nobody has it to tell."""
        followed.asked_at = time.monotonic()
        heard = followed.next
        await switchboard.ask(self._question("follow", run_id, followed))
        await asyncio.sleep(ANSWERED_WITHIN_S)
        if followed.next == heard and not followed.is_over and followed.asked_at is not None:
            self._followed.pop(run_id, None)
            await self.not_told(run_id)

    async def not_told(self, run_id: UUID) -> None:
        """Nobody tells what happens in a run."""
        raise RunNotFound

    async def stop(self, run_id: UUID) -> None:
        """Have a run stopped that this socket follows."""
        followed = self._followed.get(run_id)
        if followed is None:
            raise RunNotFound
        await switchboard.ask(self._question("stop", run_id, followed))

    async def run_frames(self, message: dict[str, Any]) -> None:
        """Frames of a run came over the channel layer."""
        run_id, first, texts = UUID(message["run"]), message["first"], message["frames"]
        followed = self._followed.get(run_id)
        if followed is None:  # of a conversation that is followed
            self.beside(self.catch_up(run_id, await self.follow(run_id, kind=TALK)))
            return
        if followed.is_over:
            return
        if message.get("replayed"):
            followed.asked_at = None
            if first > followed.next:
                gap = {"type": "run.gap", "run": str(run_id), "missing": first - followed.next}
                await self.say(text_of(gap))
                followed.next = first
        elif first > followed.next:
            if followed.asked_at is None or time.monotonic() - followed.asked_at > ANSWERED_WITHIN_S:
                self.beside(self.catch_up(run_id, followed))
            return
        for text in texts[followed.next - first :]:
            await self.say(text)
        followed.next = max(followed.next, first + len(texts))
        followed.is_over = message["is_last"]

    async def left(self) -> None:
        """Nothing is followed any more."""
        groups, self._groups = self._groups, set()
        for run_id, followed in self._followed.items():
            if not followed.is_over:
                await switchboard.ask(self._question("leave", run_id, followed))
        for group in groups:
            await self.channel_layer.group_discard(group, self.channel_name)

    def _question(self, wants: Wish, run_id: UUID, followed: Followed) -> Question:
        assert self.caller is not None
        key_id = key_to_read(self.caller, None) if followed.kind == VIEW else self.caller.key_id
        return Question(
            wants=wants,
            kind=followed.kind,
            organization=str(self.caller.organization_id),
            key=None if key_id is None else str(key_id),
            run=str(run_id),
            owner=self.owner if followed.kind == TALK else "",
            channel=self.channel_name,
            number=followed.next,
        )
