"""Models that stand in for an agent's own: who is asked, in which order, and what is said when nobody answers."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from agents.runtime.answering import Candidate
from skills.sdk import (
    Chunk,
    ModelFailed,
    ModelOverloaded,
    ModelRateLimited,
    ModelRejected,
    ModelRequest,
    ModelTimeout,
    ModelUnauthorized,
    ModelUnreachable,
    RunContext,
)
from skills.sdk.circuits import ModelResting
from skills.sdk.testing import MemoryMeter
from tests.runtime.cast import Recorder, agent, ask, context

OWN = "scripted/own"


class Failing(Recorder):
    """A model that fails, before or after its first piece."""

    def __init__(self, failure: ModelFailed, *, after: int = 0) -> None:
        super().__init__()
        self.failure = failure
        self.after = after

    async def stream(self, ctx: RunContext, request: ModelRequest) -> AsyncIterator[Chunk]:
        self.requests.append(request)
        try:
            for _ in range(self.after):
                yield Chunk(text="half a ")
            raise self.failure
        finally:
            self.closed += 1


class Particular(Recorder):
    """A model that takes no seed."""

    async def stream(self, ctx: RunContext, request: ModelRequest) -> AsyncIterator[Chunk]:
        self.requests.append(request)
        if "seed" in request.parameters:
            raise ModelRejected("No seed.", parameter="seed", code="unsupported_parameter")
        yield Chunk(text="without a seed")
        yield Chunk(finish_reason="stop")


def unsupported() -> ModelRejected:
    return ModelRejected("No seed.", parameter="seed", code="unsupported_parameter")


def falling_back(own: Recorder, *others: Recorder, **described: Any) -> Any:
    fallbacks = tuple(Candidate(model=f"other/{nth}", skill=other) for nth, other in enumerate(others))
    return agent(model=own, fallbacks=fallbacks, **{"name": "x", **described})


@pytest.mark.parametrize(
    "failure",
    [
        ModelRateLimited("x"), ModelOverloaded("x"), ModelResting("x"), ModelUnreachable("x"), ModelTimeout("x"),
        ModelUnauthorized("x"), ModelRejected("x", code="context_length_exceeded"),
        ModelRejected("x", code="model_not_found"),
    ],
    ids=lambda failure: f"{type(failure).__name__} {getattr(failure, 'code', '')}",
)  # fmt: skip
async def test_the_next_one_answers(failure: ModelFailed) -> None:
    own, other, unasked = Failing(failure), Recorder(), Recorder()
    meter = MemoryMeter()

    reply = await ask(falling_back(own, other, unasked), ctx=context(meter=meter))

    assert reply.text == "ok"
    assert (len(own.requests), len(other.requests), len(unasked.requests)) == (1, 1, 0)
    assert other.requests[0].model == "other/0"
    assert (own.closed, other.closed) == (1, 1)
    assert [(record.model, record.delivered) for record in meter.records] == [
        ("scripted/persona", False), ("other/0", True),
    ]  # fmt: skip


@pytest.mark.parametrize("code", [None, "invalid_value", "unsupported_parameter", "content_policy_violation"])
async def test_a_request_that_is_wrong_is_wrong_for_all(code: str | None) -> None:
    other = Recorder()

    with pytest.raises(ModelRejected):
        await ask(falling_back(Failing(ModelRejected("x", code=code)), other))

    assert other.requests == []


async def test_nobody_else_goes_on_with_a_reply_that_has_begun() -> None:
    other, meter = Recorder(), MemoryMeter()

    with pytest.raises(ModelUnreachable):
        await ask(falling_back(Failing(ModelUnreachable("x"), after=1), other), ctx=context(meter=meter))

    assert other.requests == []
    assert [(record.model, record.delivered) for record in meter.records] == [("scripted/persona", True)]


@pytest.mark.parametrize(
    ("failures", "told"),
    [
        ((ModelUnauthorized("first"), ModelUnauthorized("second")), "first"),
        ((ModelUnauthorized("first"), ModelRateLimited("second"), ModelOverloaded("third")), "second"),
        ((ModelOverloaded("first"), ModelRejected("second")), "first"),
        ((ModelUnauthorized("first"), unsupported(), ModelUnauthorized("third")), "first"),
    ],
    ids=["nothing passes", "one may pass", "the agent's own may pass", "another model's taste"],
)
async def test_who_hears_that_nobody_answers_hears_what_may_pass(failures: tuple[ModelFailed, ...], told: str) -> None:
    own, *others = map(Failing, failures)
    meter = MemoryMeter()

    with pytest.raises(ModelFailed, match=told):
        await ask(falling_back(own, *others), ctx=context(meter=meter))

    assert [record.delivered for record in meter.records] == [False] * len(failures)


async def test_what_a_stand_in_does_not_take_is_dropped_if_the_owner_wants_that() -> None:
    own, other = Failing(ModelOverloaded("x")), Particular()

    reply = await ask(falling_back(own, other, drop_unsupported=True), parameters={"seed": 1})

    assert reply.text == "without a seed"
    assert len(own.requests) == 2


async def test_a_stand_in_is_not_sent_what_only_the_agents_own_model_takes() -> None:
    class Knowing(Failing):
        def takes(self, name: str, *, model: str) -> bool:
            return True

    own, other = Knowing(ModelOverloaded("x")), Recorder()
    part = {"type": "text", "text": "Go", "cache_control": {"type": "ephemeral"}}
    ctx = context()

    await falling_back(own, other).run(
        [{"role": "user", "content": [part]}], ctx=ctx, parameters={"top_k": 5, "temperature": 0}
    )

    assert own.requests[0].parameters == {"top_k": 5, "temperature": 0}
    assert other.requests[0].parameters == {"temperature": 0}
    assert "cache_control" not in str(other.requests[0].messages)
    assert "messages[].content[].cache_control" in ctx.ignored


async def test_each_turn_begins_with_the_agents_own_model() -> None:
    own = Failing(ModelOverloaded("x"))
    calls = [Chunk(text="", tool_calls=()), Chunk(finish_reason="stop", text="done")]
    other = Recorder(*calls)
    who = falling_back(own, other)

    await ask(who)
    await ask(who)

    assert (len(own.requests), len(other.requests)) == (2, 2)


async def test_leaving_closes_whoever_is_answering() -> None:
    own, other = Failing(ModelOverloaded("x")), Recorder()
    events = falling_back(own, other).run_streaming([{"role": "user", "content": "Go"}], ctx=context())

    await anext(events)
    await events.aclose()

    assert (own.closed, other.closed) == (1, 1)
