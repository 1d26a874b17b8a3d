"""Two processes and one Redis between them: one limit, kept also while Redis is away."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from api import quota
from api.places import Places
from api.problems import Refused
from api.shared_quota import SharedQuota
from api.sharing import Link
from api.windows import Meter, Meters
from tenants.limits import Limits
from tests.redis_server import RedisServer

PROCESSES = 2


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path) as running:
        yield running


class Process:
    """What one web process knows of limits."""

    def __init__(self, redis: RedisServer) -> None:
        self.link = Link(redis.url, timeout_s=2)
        self.meters = Meters("key", is_shared=True)
        self.quota = SharedQuota(self.link, processes=PROCESSES)
        self.places = Places(self.link, processes=PROCESSES)

    def meter(self, **limits: int) -> Meter:
        return self.meters.of("us", Limits(**limits))

    async def ask(self, **limits: int) -> bool:
        """Whether one more request fits."""
        quota.share(self.quota)
        try:
            await quota.take([(window, 1) for window in self.meter(**limits).requests])
        except Refused:
            return False
        return True


@pytest.fixture
async def pair(redis: RedisServer) -> AsyncIterator[tuple[Process, Process]]:
    one, other = Process(redis), Process(redis)
    yield one, other
    quota.share(None)
    for process in (one, other):
        await process.link.close()


async def test_two_processes_give_one_limit(pair: tuple[Process, Process]) -> None:
    answers = [await pair[number % 2].ask(requests_per_minute=10) for number in range(30)]

    assert answers.count(True) == 10
    assert all(answers[:10])


async def test_whoever_asks_at_once_shares_one_question(pair: tuple[Process, Process]) -> None:
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(pair[0].ask(requests_per_minute=20)) for _ in range(50)]

    assert [task.result() for task in asked].count(True) == 20


async def test_what_one_process_keeps_to_spare_is_little(pair: tuple[Process, Process]) -> None:
    for _ in range(2):
        assert await pair[0].ask(requests_per_minute=10_000)

    served = 0
    while await pair[1].ask(requests_per_minute=10_000):
        served += 1

    assert 10_000 * 0.95 <= served <= 10_000 - 2


async def test_both_are_told_what_is_left(pair: tuple[Process, Process]) -> None:
    for _ in range(3):
        assert await pair[0].ask(requests_per_minute=10)
    assert await pair[1].ask(requests_per_minute=10)

    window = pair[1].meter(requests_per_minute=10).requests[0]
    assert window.left(window.ends_at - 1) == 6


async def test_a_window_that_is_over_starts_anew_for_both(pair: tuple[Process, Process]) -> None:
    first = [await process.ask(requests_per_second=1) for process in pair]
    await asyncio.sleep(1.1)
    second = [await process.ask(requests_per_second=1) for process in reversed(pair)]

    assert (first, second) == ([True, False], [True, False])


async def test_tokens_that_were_not_used_come_back_to_the_other(pair: tuple[Process, Process]) -> None:
    one, other = (process.meter(tokens_per_minute=1_000).tokens for process in pair)
    quota.share(pair[0].quota)
    uses = await quota.take([(window, 1_000) for window in one])
    quota.share(pair[1].quota)
    with pytest.raises(Refused):
        await quota.take([(window, 500) for window in other])

    quota.share(pair[0].quota)
    quota.correct(uses, 100)
    quota.share(pair[1].quota)
    await asyncio.sleep(0.5)
    await quota.take([(window, 500) for window in other])


async def test_without_redis_each_grants_itself_its_part(redis: RedisServer, pair: tuple[Process, Process]) -> None:
    redis.stop()

    served = [[await process.ask(requests_per_minute=20) for _ in range(30)].count(True) for process in pair]

    assert served == [10, 10]


async def test_what_was_used_before_redis_went_counts(redis: RedisServer, pair: tuple[Process, Process]) -> None:
    before = [await pair[0].ask(requests_per_minute=20) for _ in range(8)]
    redis.stop()
    after = [await pair[0].ask(requests_per_minute=20) for _ in range(30)]

    assert (before.count(True), after.count(True)) == (8, 2)


async def test_redis_is_used_again_when_it_is_back(redis: RedisServer, pair: tuple[Process, Process]) -> None:
    redis.stop()
    assert await pair[0].ask(requests_per_minute=2)
    assert not await pair[0].ask(requests_per_minute=2)

    redis.start()
    is_back = False
    for _ in range(40):
        await asyncio.sleep(0.05)
        if is_back := await pair[0].ask(requests_per_minute=2):
            break
    left = [await pair[1].ask(requests_per_minute=2) for _ in range(2)]

    assert is_back
    assert left.count(True) <= 1


async def test_places_are_counted_together(pair: tuple[Process, Process]) -> None:
    held = [await process.places.enter(("key", "us"), most=2) for process in pair]
    third = await pair[0].places.enter(("key", "us"), most=2)
    assert held[0] is not None
    assert third is None

    pair[0].places.leave(held[0])
    await asyncio.sleep(0.2)

    assert await pair[1].places.enter(("key", "us"), most=2) is not None


async def test_places_of_a_process_that_was_killed_are_free_again_soon(
    pair: tuple[Process, Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.places.LEASE_S", 0.5)
    assert await pair[0].places.enter(("key", "us"), most=1) is not None
    assert await pair[1].places.enter(("key", "us"), most=1) is None

    await pair[0].link.close()
    pair[0].link.away_until = float("inf")  # it refreshes nothing any more
    await asyncio.sleep(0.7)

    assert await pair[1].places.enter(("key", "us"), most=1) is not None


async def test_a_place_is_held_for_as_long_as_it_is_needed(
    pair: tuple[Process, Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.places.LEASE_S", 1.0)
    monkeypatch.setattr("api.places.REFRESH_S", 0.1)
    assert await pair[0].places.enter(("key", "us"), most=1) is not None

    await asyncio.sleep(1.5)

    assert await pair[1].places.enter(("key", "us"), most=1) is None


async def test_without_redis_places_are_counted_by_part(redis: RedisServer, pair: tuple[Process, Process]) -> None:
    redis.stop()

    held = [await pair[0].places.enter(("key", "us"), most=4) for _ in range(4)]

    assert [place is not None for place in held] == [True, True, False, False]
