"""Providers that keep failing are left alone, and nobody else for it."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field

import pytest

from skills.sdk import (
    Chunk,
    ModelFailed,
    ModelOverloaded,
    ModelRateLimited,
    ModelRejected,
    ModelTimeout,
    ModelUnauthorized,
    ModelUnreachable,
    circuits,
    patience,
)
from skills.sdk.circuits import Circuit, ModelResting, Route, circuit_of
from skills.sdk.patience import Patience
from skills.sdk.retries import ConnectTimeout, RetryPolicy, retried

SHORT_S = 0.01
NO_RETRIES = RetryPolicy(most=0)
SOON = ModelUnreachable("Gone.", retry_after_s=0)


def route(**fields: str) -> Route:
    return Route(**{"organization_id": "acme", "credential_id": "key", "address": "http://there", **fields})


@dataclass(kw_only=True)
class Provider:
    """Answers each call as it is told to, the last way for ever; counts what it hears."""

    answers: list[ModelFailed | str | None]
    route: Route = field(default_factory=route)
    calls: int = 0

    async def prepare(self) -> "Provider":
        return self

    async def attempt(self, call: "Provider") -> AsyncGenerator[Chunk]:
        answer = self.answers[min(self.calls, len(self.answers) - 1)]
        self.calls += 1
        await asyncio.sleep(0)
        if answer == "hang":
            await asyncio.sleep(60)
        if isinstance(answer, ModelFailed):
            raise answer
        yield Chunk(text="Hello.")
        if answer == "cut":
            raise ModelUnreachable("Cut.")

    async def ask(self, policy: RetryPolicy = NO_RETRIES) -> str:
        async with aclosing(retried(self.prepare, self.attempt, policy=policy)) as chunks:
            return "".join([chunk.text async for chunk in chunks])

    async def fail(self, times: int = 1) -> None:
        for _ in range(times):
            with pytest.raises(ModelFailed):
                await self.ask()


@pytest.fixture(autouse=True)
def _numbers() -> Iterator[None]:
    patience.configure(Patience(rest_s=60, refused_rest_s=60))
    circuits.forget()
    yield
    patience.configure()
    circuits.forget()


@pytest.mark.parametrize(
    "failure", [ModelUnreachable("x"), ModelOverloaded("x"), ModelTimeout("x"), ConnectTimeout("x"),
                ModelUnauthorized("x", perhaps_request=True)],
)  # fmt: skip
async def test_after_five_failures_in_a_row_nobody_is_asked(failure: ModelFailed) -> None:
    provider = Provider(answers=[failure])
    await provider.fail(5)

    with pytest.raises(ModelResting) as raised:
        await provider.ask()

    assert provider.calls == 5
    assert 0 < (raised.value.retry_after_s or 0) <= 60


@pytest.mark.parametrize("failure", [ModelRejected("x"), ModelRateLimited("x")])
async def test_an_answer_that_is_no_reply_does_not_count(failure: ModelFailed) -> None:
    provider = Provider(answers=[failure])

    await provider.fail(20)

    assert provider.calls == 20


async def test_a_reply_forgives_what_was_before() -> None:
    provider = Provider(answers=[*[ModelUnreachable("x")] * 4, None, *[ModelUnreachable("x")] * 4, None])
    await provider.fail(4)
    await provider.ask()
    await provider.fail(4)

    assert await provider.ask() == "Hello."


async def test_a_reply_that_breaks_off_is_a_failure() -> None:
    provider = Provider(answers=["cut"])
    await provider.fail(5)

    with pytest.raises(ModelResting):
        await provider.ask()


async def test_failures_long_ago_do_not_count() -> None:
    patience.configure(Patience(within_s=0.02))
    provider = Provider(answers=[ModelUnreachable("x")])
    await provider.fail(4)
    await asyncio.sleep(0.05)

    await provider.fail(4)

    assert provider.calls == 8


async def test_one_call_tries_and_closes_the_circuit() -> None:
    patience.configure(Patience(rest_s=SHORT_S))
    provider = Provider(answers=[*[ModelUnreachable("x")] * 5, None])
    await provider.fail(5)
    await asyncio.sleep(2 * SHORT_S)

    assert await provider.ask() == "Hello."
    assert circuit_of(provider.route).is_closed


async def test_one_call_tries_and_the_provider_rests_again() -> None:
    patience.configure(Patience(rest_s=SHORT_S))
    provider = Provider(answers=[ModelUnreachable("x")])
    await provider.fail(5)
    await asyncio.sleep(2 * SHORT_S)
    patience.configure(Patience(rest_s=60))

    await provider.fail(3)

    assert provider.calls == 6


async def test_while_one_tries_the_others_wait_and_one_who_leaves_makes_room() -> None:
    patience.configure(Patience(rest_s=SHORT_S))
    provider = Provider(answers=[*[ModelUnreachable("x")] * 5, "hang", None])
    await provider.fail(5)
    await asyncio.sleep(2 * SHORT_S)
    trying = asyncio.create_task(provider.ask())
    await asyncio.sleep(0.01)

    with pytest.raises(ModelResting):
        await provider.ask()
    trying.cancel()
    await asyncio.wait({trying})

    assert await provider.ask() == "Hello."


async def test_a_refused_credential_is_not_sent_again_for_a_moment() -> None:
    provider = Provider(answers=[ModelUnauthorized("The owner has to mend it."), None])

    await provider.fail(3)

    assert provider.calls == 1


async def test_a_credential_that_was_mended_is_sent_again() -> None:
    patience.configure(Patience(refused_rest_s=SHORT_S))
    provider = Provider(answers=[ModelUnauthorized("The owner has to mend it."), None])
    await provider.fail()
    await asyncio.sleep(2 * SHORT_S)

    assert await provider.ask() == "Hello."


@pytest.mark.parametrize("other", [{"organization_id": "globex"}, {"credential_id": "b"}, {"address": "http://else"}])
async def test_what_one_route_meets_is_no_news_to_another(other: dict[str, str]) -> None:
    failing = Provider(answers=[ModelUnreachable("x")])
    await failing.fail(5)

    assert await Provider(answers=[None], route=route(**other)).ask() == "Hello."


async def test_an_open_circuit_ends_the_tries() -> None:
    provider = Provider(answers=[SOON])
    await provider.fail(4)

    with pytest.raises(ModelUnreachable):
        await provider.ask(RetryPolicy(most=5))

    assert provider.calls == 5


async def test_an_outage_is_not_multiplied() -> None:
    patience.configure(Patience(failures=10_000, retry_percent=20, retries_spare=3))
    provider = Provider(answers=[SOON])

    for _ in range(100):
        with pytest.raises(ModelUnreachable):
            await provider.ask(RetryPolicy(most=5))

    assert provider.calls == 100 + 20 + 3


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (ModelRateLimited("x", retry_after_s=0), "rate_limited"), (ModelOverloaded("x", retry_after_s=0), "overloaded"),
        (SOON, "unreachable"), (ConnectTimeout("x", retry_after_s=0), "connect_timeout"),
    ],
)  # fmt: skip
async def test_each_kind_of_failure_has_its_own_number_of_tries(failure: ModelFailed, kind: str) -> None:
    limited, free = Provider(answers=[failure]), Provider(answers=[failure], route=route(address="http://b"))

    with pytest.raises(ModelFailed):
        await limited.ask(RetryPolicy(most=3, **{kind: 1}))
    with pytest.raises(ModelFailed):
        await free.ask(RetryPolicy(most=3))

    assert (limited.calls, free.calls) == (2, 4)


def test_no_more_routes_are_remembered_than_allowed() -> None:
    patience.configure(Patience(routes=3))
    first = circuit_of(route(address="0"))

    for address in "123":
        circuit_of(route(address=address))

    assert circuit_of(route(address="0")) is not first


def test_a_route_keeps_no_secret() -> None:
    assert set(Route.__struct_fields__) == {"organization_id", "credential_id", "address"}
    assert Circuit().is_closed
