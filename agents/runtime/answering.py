"""Who answers a model call: the agent's model, or those that stand in for it, in order."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import cast

import msgspec

from agents.runtime.omissions import Omissions
from skills.sdk.context import RunContext
from skills.sdk.errors import ModelFailed, ModelRejected
from skills.sdk.model import Chunk, ModelRequest, ModelSkill

ELSEWHERE = frozenset(("context_length_exceeded", "model_not_found"))
"""A request that is rejected for these is right, but for this model."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A model and the skill that serves it."""

    model: str
    skill: ModelSkill


class Answering:
    """Asks the candidates one after the other until one begins to answer; `by` is who was asked last.

    Nobody is asked once a piece of a reply has come. `failed` is called for each that did not answer and was followed
    by another. `can_do_without` says whether the run can go on without what one rejects: then all are asked again.
    """

    def __init__(
        self,
        ctx: RunContext,
        candidates: Sequence[Candidate],
        *,
        can_do_without: Callable[[ModelFailed], bool],
        failed: Callable[[Candidate], None],
    ) -> None:
        self.by = candidates[0]
        self._ctx = ctx
        self._candidates = candidates
        self._can_do_without = can_do_without
        self._failed = failed

    def stream(self, request: ModelRequest) -> AsyncGenerator[Chunk]:
        """The reply as it comes. Raises a ModelFailed."""
        if len(self._candidates) == 1:
            return cast(AsyncGenerator[Chunk], self.by.skill.stream(self._ctx, request))
        return self._first_reply(request)

    async def _first_reply(self, request: ModelRequest) -> AsyncGenerator[Chunk]:
        failures: list[ModelFailed] = []
        for candidate in self._candidates:
            if failures:
                self._failed(self.by)
            self.by = candidate
            self._ctx.waited.model = candidate.model
            begun = False
            asked = request if candidate is self._candidates[0] else self._translated(request, candidate)
            stream = cast(AsyncGenerator[Chunk], candidate.skill.stream(self._ctx, asked))
            try:
                async with aclosing(stream):
                    async for chunk in stream:
                        begun = True
                        yield chunk
            except ModelFailed as failure:
                if begun or not (failures or _is_worth_another(failure)):
                    raise
                failures.append(failure)
            else:
                return
        raise self._verdict(failures)

    def _translated(self, request: ModelRequest, candidate: Candidate) -> ModelRequest:
        """The request without what this candidate is not to be sent."""
        omissions = Omissions(candidate.skill, candidate.model, self._ctx.ignored)
        parameters = omissions.without_vendors(request.parameters)
        self._ctx.ignored.update(request.parameters.keys() - parameters.keys())
        return msgspec.structs.replace(
            request,
            model=candidate.model,
            messages=omissions.messages(request.messages),
            tools=omissions.tools(request.tools),
            parameters=parameters,
        )

    def _verdict(self, failures: Sequence[ModelFailed]) -> ModelFailed:
        """What is said of it all: what can be left out, else what may pass by itself, else what the first one said."""
        mendable = (failure for failure in failures if self._can_do_without(failure))
        passing = (failure for failure in failures if failure.retryable)
        return next(mendable, None) or next(passing, None) or failures[0]


def _is_worth_another(failure: ModelFailed) -> bool:
    return not isinstance(failure, ModelRejected) or failure.code in ELSEWHERE
