"""The functions to which a conversation may pass, and how one of them takes it over."""

import inspect
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import msgspec

from agents.runtime.events import (
    Delta,
    Event,
    Finished,
    HandoffFinished,
    HandoffStarted,
    ToolFinished,
    ToolProgressed,
    ToolStarted,
    TurnFinished,
)
from agents.runtime.hooks import fire
from agents.runtime.working import Working
from skills.sdk.calls import HandoffCall, ToolCall
from skills.sdk.context import RunContext, Scope
from skills.sdk.errors import NotAvailable, RunRefused, SkillError, ToolFailed, ToolRetry
from skills.sdk.schema import Arguments
from skills.sdk.specs import HandoffResult, HandoffSpec

if TYPE_CHECKING:
    from agents.runtime.agent import BaseAgent

UNDONE = (ToolFailed, ToolRetry, NotAvailable)
"""What keeps a conversation where it is, if nothing has been said yet: the model is told and goes on."""


@dataclass(frozen=True, kw_only=True)
class BoundHandoff:
    """A skill's async function or generator that takes a conversation over.

    It answers with a HandoffResult, with text, or with pieces of text and events as they come.
    """

    spec: HandoffSpec
    skill: str
    scope: Scope
    method: Callable[..., Any]
    arguments: Arguments

    @property
    def definition(self) -> Mapping[str, Any]:
        """As it is offered to a model, in Chat Completions shape."""
        function = {
            "name": self.spec.name, "description": self.spec.description, "parameters": self.arguments.schema
        }  # fmt: skip
        return {"type": "function", "function": function}


@dataclass(kw_only=True)
class Passing:
    """One conversation that is passed on, and what came of it."""

    handoff: BoundHandoff
    call: ToolCall
    said: list[str] = field(default_factory=list)
    finished: Finished | None = None
    """How the other agent's run ended, if it was one."""
    result: HandoffResult = field(default_factory=HandoffResult)

    async def take_over(self, agent: "BaseAgent", ctx: RunContext, working: Working) -> AsyncGenerator[Event]:
        """Yield what the other says. What keeps it from beginning is the result; what breaks it off is raised."""
        started = time.perf_counter()
        spec = self.handoff.spec
        about = HandoffCall(name=spec.name, giver=agent.name, receiver=spec.receiver)
        try:
            arguments = self.handoff.arguments.parse(self.call.arguments)
            about = msgspec.structs.replace(about, reason=str(arguments.get("reason", "")))
            with working:
                about = await fire(agent.hooks["before_handoff"], ctx, about)
            yield HandoffStarted(name=spec.name, giver=agent.name, receiver=spec.receiver, reason=about.reason)
            async with aclosing(self._events(ctx, arguments, working)) as events:
                async for event in events:
                    yield event
        except RunRefused:
            raise
        except UNDONE as error:
            if self.said:
                raise
            self.result = HandoffResult(result=str(error), handoff_type=spec.kind, success=False)
        with working:
            self.result = await fire(agent.hooks["after_handoff"], ctx, self.result)
        yield HandoffFinished(
            name=spec.name,
            receiver=spec.receiver,
            ok=self.result.success,
            content="" if self.result.success else str(self.result.result),
            duration_s=time.perf_counter() - started,
        )

    async def _events(self, ctx: RunContext, arguments: dict[str, Any], working: Working) -> AsyncGenerator[Event]:
        if self.handoff.arguments.context_parameter is not None:
            arguments = {**arguments, self.handoff.arguments.context_parameter: ctx}
        if not inspect.isasyncgenfunction(self.handoff.method):
            with working.for_others():
                answered = await self.handoff.method(**arguments)
            for event in self._heard(answered):
                yield event
            return
        stream: AsyncIterator[Any] = self.handoff.method(**arguments)
        async with aclosing(cast(AsyncGenerator[Any], stream)) as pieces:
            while True:
                with working.for_others():
                    piece = await anext(pieces, None)
                if piece is None:
                    return
                for event in self._heard(piece):
                    yield event

    def _heard(self, piece: Any) -> list[Event]:
        """What is passed on to the client of something that the other said."""
        match piece:
            case HandoffResult():
                self.result = piece
                text = "" if piece.result is None or not piece.success or self.said else str(piece.result)
                return self._heard(text) if text else []
            case str():
                return self._heard(Delta(text=piece)) if piece else []
            case Delta():
                if piece.choice == 0:
                    self.said.append(piece.text)
                return [piece]
            case Finished():
                self.finished = piece
                return []
            case ToolStarted() | ToolProgressed() | ToolFinished() | TurnFinished():
                return [
                    piece if piece.agent else msgspec.structs.replace(piece, agent=self.handoff.spec.receiver or "")
                ]
            case HandoffStarted() | HandoffFinished():
                return [piece]
        raise SkillError(
            f"The handoff {self.handoff.spec.name} answered with {type(piece).__name__}, which is no answer."
        )
