"""The bounded way of events from a run's task to whoever reads them."""

import asyncio
from collections import deque

from agents.runtime.events import Event

SIZE = 64


class Channel:
    """One writer, one reader, one event loop. A full channel makes its writer wait; a reader who left empties it."""

    def __init__(self, *, size: int = SIZE) -> None:
        self._size = size
        self._events: deque[Event] = deque()
        self._changed_for_reader = asyncio.Event()
        self._changed_for_writer = asyncio.Event()
        self._ended = False
        self._abandoned = False
        self._error: BaseException | None = None

    @property
    def is_abandoned(self) -> bool:
        """Whether the reader left."""
        return self._abandoned

    @property
    def is_ended(self) -> bool:
        """Whether the writer wrote its last."""
        return self._ended

    @property
    def is_full(self) -> bool:
        """Whether the writer has to wait."""
        return len(self._events) >= self._size and not self._abandoned

    async def room(self) -> None:
        """Wait until there is room for an event."""
        while self.is_full:
            self._changed_for_writer.clear()
            await self._changed_for_writer.wait()

    async def put(self, event: Event) -> None:
        """Hand over an event, once there is room for it."""
        if self.is_full:
            await self.room()
        if not self._abandoned:
            self._events.append(event)
            self._changed_for_reader.set()

    async def get(self) -> Event | None:
        """The next event, None after the last one; raises what ended the run, if something did."""
        while not self._events:
            if self._ended:
                if self._error is not None:
                    raise self._error
                return None
            self._changed_for_reader.clear()
            await self._changed_for_reader.wait()
        event = self._events.popleft()
        self._changed_for_writer.set()
        return event

    def take_ready(self) -> list[Event]:
        """What has arrived and was not read yet, without waiting."""
        events = list(self._events)
        self._events.clear()
        self._changed_for_writer.set()
        return events

    def end(self, error: BaseException | None = None) -> None:
        """No event will follow. The first end counts."""
        if not self._ended:
            self._ended = True
            self._error = error
            self._changed_for_reader.set()

    def abandon(self) -> None:
        """The reader left: what is in the way is forgotten, and so is what will come."""
        self._abandoned = True
        self._events.clear()
        self._changed_for_writer.set()
