"""Counting: a window gives its limit once, starts anew when its time is over, and is forgotten when nobody asks."""

import pytest

from api import quota
from api.limit_answers import limit_headers
from api.problems import Refused
from api.windows import Meter, Meters, Window
from tenants.limits import Limits


@pytest.fixture
def meters() -> Meters:
    return Meters("key", most=3)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, in a list so that it can be set."""
    now = [1_000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


async def fits(meter: Meter) -> bool:
    """Whether one more request fits into all its windows."""
    try:
        await quota.take([(window, 1) for window in meter.requests])
    except Refused:
        return False
    return True


async def test_a_window_gives_exactly_its_limit(meters: Meters, clock: list[float]) -> None:
    meter = meters.of("us", Limits(requests_per_minute=3))

    assert [await fits(meter) for _ in range(5)] == [True, True, True, False, False]


async def test_it_starts_anew_when_its_time_is_over(meters: Meters, clock: list[float]) -> None:
    meter = meters.of("us", Limits(requests_per_minute=1))
    assert await fits(meter)

    clock[0] += 59.9
    before = await fits(meter)
    clock[0] += 0.1
    after = await fits(meter)

    assert (before, after) == (False, True)


async def test_what_does_not_fit_into_one_window_is_counted_in_none(meters: Meters, clock: list[float]) -> None:
    meter = meters.of("us", Limits(requests_per_second=1, requests_per_minute=10))
    assert await fits(meter)
    assert not await fits(meter)

    assert {window.name: window.used for window in meter.requests} == {
        "requests_per_second": 1,
        "requests_per_minute": 1,
    }


async def test_who_is_refused_is_told_when_it_fits_again_and_into_what(meters: Meters, clock: list[float]) -> None:
    meter = meters.of("us", Limits(requests_per_second=1, requests_per_hour=1))
    assert await fits(meter)
    clock[0] += 0.5

    with pytest.raises(Refused) as refused:
        await quota.take([(window, 1) for window in meter.requests])

    problem = refused.value.problem
    assert problem.metadata == {"limit": "requests_per_hour", "scope": "key", "allowed": 1}
    assert (problem.retry_after_s, problem.should_retry) == (3_600, False)


async def test_part_of_a_second_is_waited_for_as_a_whole_one(meters: Meters, clock: list[float]) -> None:
    meter = meters.of("us", Limits(requests_per_second=1))
    assert await fits(meter)
    clock[0] += 0.9

    with pytest.raises(Refused) as refused:
        await quota.take([(window, 1) for window in meter.requests])

    assert (refused.value.problem.retry_after_s, refused.value.problem.should_retry) == (1, None)


async def test_a_limit_that_is_changed_keeps_what_was_used(meters: Meters, clock: list[float]) -> None:
    for _ in range(3):
        assert await fits(meters.of("us", Limits(requests_per_minute=3)))

    lowered = await fits(meters.of("us", Limits(requests_per_minute=2)))
    raised = [await fits(meters.of("us", Limits(requests_per_minute=4))) for _ in range(2)]

    assert lowered is False
    assert raised == [True, False]


async def test_a_limit_that_is_gone_no_longer_holds(meters: Meters, clock: list[float]) -> None:
    assert await fits(meters.of("us", Limits(requests_per_minute=1, requests_per_hour=5)))

    assert await fits(meters.of("us", Limits(requests_per_hour=5)))


async def test_only_so_many_subjects_are_kept_in_mind(meters: Meters, clock: list[float]) -> None:
    limits = Limits(requests_per_minute=1)
    for subject in "abcd":
        assert await fits(meters.of(subject, limits))

    assert len(meters) == 3
    assert not await fits(meters.of("d", limits))
    assert await fits(meters.of("a", limits))


def test_what_was_reserved_too_much_comes_back(clock: list[float]) -> None:
    window = Window(scope="key", name="tokens_per_minute", limit=100, period_s=60, key=None)
    assert window.room(clock[0]) == 100
    use = window.use(60)

    use.correct(10)

    assert window.left(clock[0]) == 90


def test_what_comes_back_too_late_makes_no_room_in_the_next_window(clock: list[float]) -> None:
    window = Window(scope="key", name="tokens_per_minute", limit=100, period_s=60, key=None)
    window.room(clock[0])
    use = window.use(60)
    clock[0] += 61
    window.room(clock[0])

    use.correct(0)

    assert window.left(clock[0]) == 100


def test_what_came_on_top_is_counted_whenever_it_is_known(clock: list[float]) -> None:
    window = Window(scope="key", name="tokens_per_minute", limit=100, period_s=60, key=None)
    window.room(clock[0])
    use = window.use(10)
    clock[0] += 61
    window.room(clock[0])

    use.correct(150)

    assert (window.left(clock[0]), window.room(clock[0])) == (0, -40)


async def test_the_headers_tell_what_is_left_and_when_it_is_back(meters: Meters, clock: list[float]) -> None:
    ours = meters.of("us", Limits(requests_per_minute=60, requests_per_hour=500, tokens_per_minute=1_000))
    all_of_us = meters.of("all of us", Limits(requests_per_hour=2))
    await quota.take([(window, 1) for meter in (ours, all_of_us) for window in meter.requests])
    clock[0] += 0.5

    headers = dict(limit_headers([ours, all_of_us], now=clock[0]))

    assert headers == {
        b"x-ratelimit-limit-requests": b"60",
        b"x-ratelimit-remaining-requests": b"59",
        b"x-ratelimit-reset-requests": b"1m0s",
        b"x-ratelimit-limit-tokens": b"1000",
        b"x-ratelimit-remaining-tokens": b"1000",
        b"x-ratelimit-reset-tokens": b"0s",
        b"x-ratelimit-limit-minute": b"60",
        b"x-ratelimit-remaining-minute": b"59",
        b"x-ratelimit-limit-hour": b"2",
        b"x-ratelimit-remaining-hour": b"1",
    }


def test_looking_at_what_is_left_uses_nothing(meters: Meters, clock: list[float]) -> None:
    meter = meters.of("us", Limits(requests_per_minute=60))

    for _ in range(3):
        limit_headers([meter], now=clock[0])

    assert dict(limit_headers([meter], now=clock[0]))[b"x-ratelimit-remaining-requests"] == b"60"
