"""The one agent loop: ask the model, carry out what it calls, until it has answered."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from agents.runtime.answering import Candidate
from agents.runtime.conversation import Conversation
from agents.runtime.events import Event

if TYPE_CHECKING:
    from agents.runtime.agent import BaseAgent
    from skills.sdk.context import RunContext


async def run(
    agent: "BaseAgent",
    ctx: "RunContext",
    *,
    client_tools: Sequence[Mapping[str, Any]] = (),
    parameters: Mapping[str, Any] = MappingProxyType({}),
    max_output_tokens: int | None = None,
    fallbacks: Sequence[Candidate] | None = None,
) -> AsyncGenerator[Event]:
    """Run the agent on `ctx.messages` and yield what happens; the last event of a run that did not fail is Finished.

    `fallbacks` are those of the agent's that this run may be answered by; None for all.
    Raises ModelFailed, RunRefused, RunTimedOut, or what a hook raised. However the run ends, its model stream is
    closed, what it used is recorded, and its finalize hooks run, once. Close the generator when you stop reading.
    """
    conversation = Conversation(
        agent,
        ctx,
        client_tools=client_tools,
        parameters=parameters,
        max_output_tokens=max_output_tokens,
        fallbacks=agent.fallbacks if fallbacks is None else fallbacks,
    )
    try:
        await conversation.begin()
        while (turn := await conversation.next_turn()) is not None:
            async with aclosing(conversation.listen(turn)) as chunks:
                async for chunk in chunks:
                    if (delta := turn.absorb(chunk)) is not None:
                        yield delta
            async with aclosing(conversation.conclude(turn)) as events:
                async for event in events:
                    yield event
        await conversation.finalize()
        yield conversation.finished()
    except BaseException as error:
        await conversation.fail(error)
        raise
    finally:
        conversation.close()
