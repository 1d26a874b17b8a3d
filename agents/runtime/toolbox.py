"""The tools of one run: which are offered, and how a turn's calls of them are carried out side by side."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from agents.runtime import tracing
from agents.runtime.events import ToolFinished, ToolProgressed, ToolStarted
from agents.runtime.handoffs import BoundHandoff, Passing
from agents.runtime.hooks import fire
from agents.runtime.progress import Reporter
from agents.runtime.provenance import Provenance
from agents.runtime.results import as_text
from agents.runtime.scopes import allows
from agents.runtime.tools import BoundTool, carry_out
from agents.runtime.working import Working
from skills.sdk.calls import ToolCall, ToolOutcome
from skills.sdk.context import Progress, RunContext, reporting
from skills.sdk.errors import ModelRejected, RunRefused, SkillError, ToolFailed, ToolRetry

if TYPE_CHECKING:
    from agents.runtime.agent import BaseAgent

CALLS_PER_TURN = 64
SAME_CALL_LIMIT = 3


class Toolbox:
    """Of the agent's tools, those that the caller may use and the request did not bring itself."""

    def __init__(self, agent: "BaseAgent", ctx: RunContext, client_tools: Sequence[Mapping[str, Any]]) -> None:
        self._agent = agent
        self._ctx = ctx
        self.client_names = frozenset(tool_name(tool) for tool in client_tools)
        usable = {name: tool for name, tool in agent.tools.items() if allows(ctx.caller.scope, tool.scope)}
        self._usable = {name: tool for name, tool in usable.items() if name not in self.client_names}
        self._handoffs: Mapping[str, BoundHandoff] = {
            name: handoff
            for name, handoff in agent.handoffs.items()
            if allows(ctx.caller.scope, handoff.scope) and name not in self.client_names
        }
        self.offered = (
            *(tool.definition for tool in self._usable.values()),
            *(handoff.definition for handoff in self._handoffs.values()),
            *client_tools,
        )
        self._names = frozenset(tool_name(tool) for tool in self.offered)
        self._provenance = Provenance(ctx.seen)
        self._repairs = 0
        self._latest: tuple[str, str] | None = None
        self._repeated = 0
        self._parallel = asyncio.Semaphore(agent.limits.parallel_tools)

    @property
    def is_unrepairable(self) -> bool:
        """Whether the model called tools wrongly more often than it may."""
        return self._repairs > self._agent.limits.repairs

    def check_choice(self, choice: Any) -> None:
        """Raise ModelRejected for a tool_choice that no tool of this run can satisfy."""
        if choice == "required" and not self._names:
            raise _no_such_choice("'tool_choice' is 'required', but there is no tool to choose.")
        if not isinstance(choice, Mapping):
            return
        chosen = choice.get("allowed_tools", {}).get("tools", [choice])
        for name in map(tool_name, chosen):
            if name not in self._names:
                raise _no_such_choice(f"'tool_choice' names the tool '{name[:64]}', which is not among the tools.")

    def passing(self, calls: Sequence[ToolCall]) -> Passing | None:
        """How the conversation is passed on by these calls, if they are one call and that of a handoff."""
        if len(calls) != 1 or (handoff := self._handoffs.get(calls[0].name)) is None:
            return None
        return Passing(handoff=handoff, call=calls[0])

    async def carry_out(
        self, calls: Sequence[ToolCall], *, turn: int, working: Working, outcomes: list[ToolOutcome]
    ) -> AsyncGenerator[ToolStarted | ToolProgressed | ToolFinished]:
        """Run the calls concurrently, tell how each goes on and ends, and fill `outcomes` in the order of the calls.

        A RunRefused, or what a hook raises, stops the other calls and is raised.
        """
        for call in calls:
            yield ToolStarted(call_id=call.id, name=call.name, arguments=call.arguments, turn=turn)
        ended: asyncio.Queue[ToolOutcome | ToolProgressed | None] = asyncio.Queue()
        # A task of its own: a TaskGroup that is open across a yield would cancel whoever reads.
        with working:
            crew = asyncio.create_task(self._side_by_side(calls, ended))
        try:
            while True:
                with working.for_others():
                    outcome = await ended.get()
                if outcome is None:
                    break
                if isinstance(outcome, ToolProgressed):
                    yield outcome
                    continue
                yield ToolFinished(
                    call_id=outcome.call.id,
                    name=outcome.call.name,
                    skill=self._usable[outcome.call.name].skill if outcome.call.name in self._usable else None,
                    ok=outcome.ok,
                    content=as_text(outcome.content),
                    duration_s=outcome.duration_s,
                )
            outcomes.extend(await crew)
        finally:
            if not crew.done():
                crew.cancel()
                await asyncio.wait({crew})

    async def _side_by_side(
        self, calls: Sequence[ToolCall], ended: asyncio.Queue[ToolOutcome | ToolProgressed | None]
    ) -> list[ToolOutcome]:
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._one(call, nth, ended)) for nth, call in enumerate(calls)]
            return [task.result() for task in tasks]
        except BaseExceptionGroup as failures:
            raise _gravest(failures.exceptions) from None
        finally:
            ended.put_nowait(None)

    async def _one(
        self, call: ToolCall, nth: int, ended: asyncio.Queue[ToolOutcome | ToolProgressed | None]
    ) -> ToolOutcome:
        refusal = self._refusal(call, nth)
        # The task of a call has a context of its own, so that each tells of itself.
        reporting.set(Reporter(lambda progress: ended.put_nowait(_progressed(call, progress))))
        async with self._parallel:
            started = time.perf_counter()
            try:
                if refusal is not None:
                    raise refusal
                with tracing.tool_call(call.name, call_id=call.id):
                    call, content = await self._permitted(call)
                outcome = ToolOutcome(call=call, ok=True, content=content)
            except RunRefused:
                raise
            except SkillError as error:
                self._repairs += isinstance(error, ToolRetry)
                outcome = ToolOutcome(call=call, ok=False, content=str(error))
            outcome = await fire(self._agent.hooks["after_toolcall"], self._ctx, _timed(outcome, started))
        ended.put_nowait(outcome)
        return outcome

    def _refusal(self, call: ToolCall, nth: int) -> SkillError | None:
        """Why a call is not even tried. Called once per call, in the order in which the model made them."""
        same = (call.name, _canonical(call.arguments))
        self._repeated = self._repeated + 1 if same == self._latest else 1
        self._latest = same
        if nth >= CALLS_PER_TURN:
            return ToolFailed(f"Only {CALLS_PER_TURN} calls can be made at once; make the others afterwards.")
        if self._repeated >= SAME_CALL_LIMIT:
            return ToolFailed(
                f"Stop: this is the same call of {call.name} with the same arguments {self._repeated} times in a row. "
                "Use what it told you, or do something else."
            )
        if call.name in self._handoffs:
            return ToolFailed(f"{call.name} passes the conversation on, so it is called alone. It was not passed on.")
        if call.name not in self._usable:
            known = ", ".join(sorted(self._usable)) or "none"
            return ToolRetry(f"The tool {call.name!r} is not available. Available tools: {known}.")
        return None

    async def _permitted(self, call: ToolCall) -> tuple[ToolCall, Any]:
        """The call as the hooks left it, and its content. Hooks may change the arguments, not the tool."""
        tool: BoundTool = self._usable[call.name]
        changed = await fire(self._agent.hooks["before_toolcall"], self._ctx, call)
        call = ToolCall(id=call.id, name=call.name, arguments=changed.arguments)
        self._provenance.check(tool)
        limits = self._agent.limits
        try:
            content = await carry_out(
                tool,
                self._ctx,
                call,
                seconds=limits.tool_seconds,
                limit_bytes=limits.tool_result_bytes,
                needs_approval=self._provenance.needs_approval(tool),
            )
        finally:  # what a call that failed was told may be a stranger's word as well
            self._provenance.note(tool)
        return call, content


def tool_name(tool: Mapping[str, Any]) -> str:
    """The name of a tool in Chat Completions shape, be it a function or a custom tool."""
    name: str = tool.get(tool.get("type", "function"), {}).get("name", "")
    return name


def _no_such_choice(message: str) -> ModelRejected:
    return ModelRejected(message, parameter="tool_choice", code="invalid_value")


def _progressed(call: ToolCall, progress: Progress) -> ToolProgressed:
    return ToolProgressed(call_id=call.id, name=call.name, done=progress.done, total=progress.total, note=progress.note)


def _timed(outcome: ToolOutcome, started: float) -> ToolOutcome:
    return ToolOutcome(
        call=outcome.call, ok=outcome.ok, content=outcome.content, duration_s=time.perf_counter() - started
    )


def _canonical(arguments: str) -> str:
    try:
        return json.dumps(json.loads(arguments), sort_keys=True)
    except (ValueError, RecursionError):
        return arguments


def _gravest(errors: Iterable[BaseException]) -> BaseException:
    """Of what several calls raised, a verdict on the run before anything else."""
    ranked = sorted(errors, key=lambda error: not isinstance(error, RunRefused))
    return ranked[0]
