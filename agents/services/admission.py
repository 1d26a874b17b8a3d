"""Which run may begin when this process has as many as it may: each organization's in its turn, none for ever."""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

from agents.errors import AgentsError, TooManyRuns


@dataclass(frozen=True, kw_only=True)
class Terms:
    """How many runs there may be at once, and what happens to more.

    While others wait, one organization may have `share_percent` of the places and no more. A run waits for `wait_s`;
    of those that wait, one organization may have the same share.
    """

    places: int
    share_percent: int
    wait_s: float
    most_waiting: int

    def share_of(self, whole: int) -> int:
        """An organization's part of so many, one at least."""
        return max(1, whole * self.share_percent // 100)


@dataclass(eq=False, slots=True)
class _Waiter:
    granted: "asyncio.Future[None]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    has_place: bool = False


class Admission:
    """The places of a process. Who waits is served in order, one organization after the other."""

    def __init__(self) -> None:
        self._taken: Counter[UUID] = Counter()
        self._total = 0
        self._queues: OrderedDict[UUID, deque[_Waiter]] = OrderedDict()
        self._terms = Terms(places=0, share_percent=100, wait_s=0, most_waiting=0)

    @property
    def waiting(self) -> int:
        """How many runs wait for a place."""
        return sum(map(len, self._queues.values()))

    @asynccontextmanager
    async def place(self, organization_id: UUID, terms: Terms) -> AsyncGenerator[None]:
        """A place for as long as the block lasts. Raises TooManyRuns when there is none in time."""
        self._terms = terms
        if not self._queues and self._total < terms.places:
            self.take(organization_id)
        else:
            await self._wait(organization_id)
        try:
            yield
        finally:
            self.give_back(organization_id)

    def take(self, organization_id: UUID) -> None:
        """Take a place without asking: for a run whose place for preparing it is about to be given back."""
        self._taken[organization_id] += 1
        self._total += 1

    def give_back(self, organization_id: UUID) -> None:
        """Let the next one in."""
        self._taken[organization_id] -= 1
        if not self._taken[organization_id]:
            del self._taken[organization_id]
        self._total -= 1
        self._let_in()

    def refuse_all(self, error: AgentsError) -> None:
        """Nobody waits any more: each is told why."""
        queues, self._queues = self._queues, OrderedDict()
        for waiter in (waiter for queue in queues.values() for waiter in queue):
            _tell(waiter.granted, error)

    async def _wait(self, organization_id: UUID) -> None:
        queue = self._queues.get(organization_id, ())
        most = self._terms.most_waiting
        if self._terms.wait_s <= 0 or self.waiting >= most or len(queue) >= self._terms.share_of(most):
            raise TooManyRuns
        waiter = _Waiter()
        self._queues.setdefault(organization_id, deque()).append(waiter)
        self._let_in()
        try:
            async with asyncio.timeout(self._terms.wait_s):
                await waiter.granted
        except TimeoutError:
            if not waiter.has_place:
                self._forget(organization_id, waiter)
                raise TooManyRuns from None
        except asyncio.CancelledError:
            if waiter.has_place:
                self.give_back(organization_id)
            else:
                self._forget(organization_id, waiter)
            raise

    def _forget(self, organization_id: UUID, waiter: _Waiter) -> None:
        queue = self._queues.get(organization_id)
        if queue is not None and waiter in queue:
            queue.remove(waiter)
            if not queue:
                del self._queues[organization_id]

    def _let_in(self) -> None:
        while self._queues and self._total < self._terms.places:
            organization_id = self._next()
            queue = self._queues.pop(organization_id)
            waiter = queue.popleft()
            if queue:
                self._queues[organization_id] = queue  # behind all others
            self.take(organization_id)
            waiter.has_place = True
            _tell(waiter.granted, None)

    def _next(self) -> UUID:
        """Whose turn it is: the first who has less than its share, else whoever has least."""
        share = self._terms.share_of(self._terms.places)
        for organization_id in self._queues:
            if self._taken[organization_id] < share:
                return organization_id
        return min(self._queues, key=lambda waiting: self._taken[waiting])


def _tell(granted: "asyncio.Future[None]", error: AgentsError | None) -> None:
    granted.get_loop().call_soon_threadsafe(_settle, granted, error)


def _settle(granted: "asyncio.Future[None]", error: AgentsError | None) -> None:
    if granted.done():
        return
    if error is None:
        granted.set_result(None)
    else:
        granted.set_exception(error)
