"""A bounded cache of things that are expensive to load, cheap to keep and can be dropped at once."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Cache(Generic[K, V]):
    """Keeps at most `size` values for at most `ttl_s`; a miss is loaded once, however many ask.

    Values may be dropped from any thread. What is being loaded at that moment is answered, but not kept: it may have
    been read before the change that the drop is about.
    """

    def __init__(self, *, size: int, ttl_s: float) -> None:
        self._size = size
        self._ttl_s = ttl_s
        self._kept: OrderedDict[K, tuple[float, V]] = OrderedDict()
        self._loading: dict[tuple[int, K], asyncio.Task[V]] = {}
        self._drops = 0
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def drops(self) -> int:
        """How often something was dropped: a mark to hand to `keep`."""
        return self._drops

    def peek(self, key: K) -> V | None:
        """The value, if it is kept and fresh."""
        with self._lock:
            found = self._kept.get(key)
            if found is None or found[0] < time.monotonic():
                return None
            self._kept.move_to_end(key)
            return found[1]

    async def get(self, key: K, load: Callable[[], Awaitable[V]]) -> V:
        """The value, loaded if need be. Whoever asks while it is being loaded waits for the same answer."""
        found = self.peek(key)
        if found is not None:
            return found
        place = (id(asyncio.get_running_loop()), key)
        task = self._loading.get(place)
        if task is None:
            task = asyncio.create_task(self._load(key, load))
            self._loading[place] = task
            task.add_done_callback(lambda done: self._loaded(place, done))
        return await asyncio.shield(task)

    def keep(self, key: K, value: V, *, since: int) -> None:
        """Keep a value that was read when `drops` stood at `since`, unless something was dropped meanwhile."""
        with self._lock:
            if since != self._drops:
                return
            self._kept.pop(key, None)
            self._kept[key] = (time.monotonic() + self._ttl_s, value)
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)

    def drop(self, is_stale: Callable[[K, V], bool] | None = None) -> None:
        """Drop the values for which `is_stale` says so; all of them without it."""
        with self._lock:
            self._drops += 1
            for key in [key for key, (_, value) in self._kept.items() if is_stale is None or is_stale(key, value)]:
                del self._kept[key]

    async def _load(self, key: K, load: Callable[[], Awaitable[V]]) -> V:
        since = self._drops
        value = await load()
        self.keep(key, value, since=since)
        return value

    def _loaded(self, place: tuple[int, K], task: asyncio.Task[V]) -> None:
        self._loading.pop(place, None)
        if not task.cancelled():
            task.exception()  # Looked at, so that asyncio does not complain when everyone who asked has left.
