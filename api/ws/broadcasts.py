"""What happens in a run, numbered, kept for a while, and told to every socket that follows it, whatever its process.

Frames go to a group of the channel layer. A layer may lose messages of a reader that is slow, and a client may lose
its socket: who misses frames sees that by their numbers, and asks for them again.
"""

import asyncio
import hashlib
import hmac
import logging
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias
from uuid import UUID

from channels.layers import get_channel_layer
from django.conf import settings

from agents.runtime.events import Event
from agents.services.run_stream import Ended
from api.edge import recorded
from api.ws import frames

TALK: Final = "talk"
"""Everything that is said in a run, for whoever started it."""
VIEW: Final = "view"
"""What an organization may see of a run of its own: what is said only if the agent keeps it."""
TRY_AGAIN_S: Final = 0.5
"""How soon a layer that is away is asked again."""
_GROUP_CHARACTERS: Final = 40

Key: TypeAlias = tuple[str, UUID, UUID]
"""TALK or VIEW, a run's organization, and its id."""

_log = logging.getLogger(__name__)
_known: dict[Key, "Broadcast"] = {}


def group_of(kind: str, *parts: object) -> str:
    """The name of a group, which nobody can tell from outside or make up."""
    text = "\0".join((kind, *map(str, parts)))
    digest = hmac.new(settings.SECRET_KEY.encode(), text.encode(), hashlib.sha256).hexdigest()
    return f"{kind}.{digest[:_GROUP_CHARACTERS]}"


def known(key: Key) -> "Broadcast | None":
    """The broadcast of a run of this process, while it is kept."""
    return _known.get(key)


class Broadcast:
    """One run, as it is told. It is a watcher of the run, and ends with it."""

    def __init__(self, key: Key, *, owner: str, with_content: bool, also_to: Sequence[str] = ()) -> None:
        self.key = key
        self.owner = owner
        """Who may follow it."""
        self.has_ended = False
        self._with_content = with_content
        self._groups = (group_of(*key), *also_to)
        self._frames: deque[str] = deque()
        self._bytes = 0
        self._next = 0
        self._told = 0
        self._news = asyncio.Event()
        self._followers: set[str] = set()
        self._left_alone = asyncio.Event()
        self._left_alone.set()
        self._task: asyncio.Task[None] | None = None
        _known[key] = self

    def open(self) -> None:
        """Begin to tell what has happened and what will."""
        self._task = asyncio.create_task(self._tell(), name=f"broadcast {self.key[-1]}")

    def forget(self) -> None:
        """There is nothing to tell."""
        _known.pop(self.key, None)

    def __call__(self, event: Event | Ended) -> None:
        """Tell what happened."""
        if isinstance(event, Ended):
            problem = None if event.error is None else recorded(_told(event.error), str(self.key[-1]))
            self.add(frames.ended(event, problem))
            self.end()
        elif (frame := frames.frame_of(event, with_content=self._with_content)) is not None:
            self.add(frame)

    def add(self, frame: Mapping[str, Any]) -> None:
        """Tell this as well."""
        text = frames.text_of({**frame, "run": str(self.key[-1]), "seq": self._next})
        self._frames.append(text)
        self._bytes += len(text)
        self._next += 1
        while self._bytes > settings.ROBUTLER.socket_history_bytes and len(self._frames) > 1:
            self._bytes -= len(self._frames.popleft())
        self._news.set()

    def end(self) -> None:
        """Nothing will follow; what was told can be asked for a little longer."""
        self.has_ended = True
        self._news.set()
        asyncio.get_running_loop().call_later(settings.ROBUTLER.socket_resume_s, self.forget)

    def since(self, number: int) -> dict[str, Any]:
        """The frames from this number on that are still there, as a message for a socket."""
        first_kept = self._next - len(self._frames)
        first = max(number, first_kept)
        kept = list(self._frames)[first - first_kept :]
        return self._message(first, kept) | {"replayed": True}

    def follow(self, channel: str) -> None:
        """Somebody follows from now on."""
        self._followers.add(channel)
        self._left_alone.clear()

    def leave(self, channel: str) -> None:
        """Somebody does not follow any more."""
        self._followers.discard(channel)
        if not self._followers:
            self._left_alone.set()

    async def deserted(self) -> None:
        """Wait until nobody has followed for so long that nobody will come back."""
        while True:
            await self._left_alone.wait()
            await asyncio.sleep(settings.ROBUTLER.socket_grace_s)
            if not self._followers:
                return

    async def _tell(self) -> None:
        while not self.has_ended or self._told < self._next:
            await self._news.wait()
            self._news.clear()
            first_kept = self._next - len(self._frames)
            first = max(self._told, first_kept)
            fresh = list(self._frames)[first - first_kept :]
            if not fresh:
                continue
            try:
                for group in self._groups:
                    await get_channel_layer().group_send(group, self._message(first, fresh))
            except _away() as error:
                _log.warning("Sockets cannot be told what happens for now: %s", type(error).__name__)
                self._news.set()
                await asyncio.sleep(TRY_AGAIN_S)
            else:
                self._told = first + len(fresh)

    def _message(self, first: int, texts: list[str]) -> dict[str, Any]:
        is_last = self.has_ended and first + len(texts) == self._next
        return {"type": "run.frames", "run": str(self.key[-1]), "first": first, "frames": texts, "is_last": is_last}


def _told(error: BaseException) -> Exception:
    return error if isinstance(error, Exception) else RuntimeError(type(error).__name__)


def _away() -> tuple[type[Exception], ...]:
    """What is raised when the layer is away; of Redis's only asked for where there may be one."""
    if not settings.ROBUTLER.redis_url:
        return (OSError,)
    from redis.exceptions import RedisError

    return (OSError, TimeoutError, RedisError)
