"""What one run keeps between the steps of the loop, and the steps themselves."""

import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, cast

import msgspec

from agents.runtime import reading, recording, tracing, transcripts
from agents.runtime.answering import Answering, Candidate
from agents.runtime.events import Delta, Event, Finished, TurnFinished
from agents.runtime.finalizing import finalize
from agents.runtime.handoffs import Passing
from agents.runtime.hooks import fire
from agents.runtime.omissions import Omissions
from agents.runtime.requesting import NO_TOOLS_LEFT, ending, field_of, smaller, turn_parameters
from agents.runtime.spending import Spending, Spent
from agents.runtime.structured import Format, correction
from agents.runtime.system import set_system_message
from agents.runtime.toolbox import Toolbox
from agents.runtime.turn import Turn
from agents.runtime.whole import whole
from agents.runtime.working import Working
from skills.sdk.calls import HandoffCall, ModelReply, RunOutcome, ToolCall, ToolOutcome
from skills.sdk.context import RunContext
from skills.sdk.errors import BudgetExhausted, ModelFailed, ModelRejected, ReplyUnfit
from skills.sdk.model import Chunk, FinishReason, Message, ModelRequest
from skills.sdk.specs import HandoffResult
from skills.sdk.usage import Usage

if TYPE_CHECKING:
    from agents.runtime.agent import BaseAgent

logger = logging.getLogger(__name__)


class Conversation:
    """One run of an agent. It ends when its first choice has a reason to."""

    def __init__(
        self,
        agent: "BaseAgent",
        ctx: RunContext,
        *,
        client_tools: Sequence[Mapping[str, Any]],
        parameters: Mapping[str, Any],
        max_output_tokens: int | None,
        fallbacks: Sequence[Candidate] = (),
    ) -> None:
        self._agent = agent
        self._ctx = ctx
        self._omissions = Omissions(agent.model_skill, agent.model, ctx.ignored)
        self._toolbox = Toolbox(agent, ctx, self._omissions.tools(client_tools))
        self._parameters = self._omissions.parameters(parameters, merged=agent.parameters(parameters))
        self._answering = Answering(
            ctx,
            (Candidate(model=agent.model, skill=agent.model_skill), *fallbacks),
            can_do_without=self._can_do_without,
            failed=self._keep,
        )
        self._format = Format.asked_by(self._parameters)
        self._keeps_text = self._format is not None and self._format.checked
        self._is_told_format = False
        self._working = Working(ctx, seconds=agent.limits.seconds)
        self._spending = Spending(
            ctx.ports.meter,
            self._working,
            output_limit=smaller(max_output_tokens, agent.limits.output_tokens),
            choices=int(self._parameters.get("n") or 1),
        )
        self._input_bytes = 0
        self._known_ids: set[str] = set()
        self._appended: list[Message] = []
        self._used_own_tools = False
        self._usage = Usage()
        self._reasons: dict[int, FinishReason] = {}
        self._stopped_by: str | None = None
        self._finalized = False

    async def begin(self) -> None:
        """Let the hooks see who connects and what they say, then set the scene for the model."""
        hooks, ctx = self._agent.hooks, self._ctx
        self._toolbox.check_choice(self._parameters.get("tool_choice"))
        with self._working:
            await fire(hooks["on_connection"], ctx, None)
            await transcripts.put_back(ctx)
            await fire(hooks["on_message"], ctx, None)
            if ctx.handed_by is not None:
                passed = HandoffCall(name=ctx.agent_name, giver=ctx.handed_by, receiver=ctx.agent_name)
                await fire(hooks["before_handoff"], ctx, passed)
            ctx.messages[:] = self._omissions.messages(ctx.messages)
            await set_system_message(self._agent, ctx)
        ctx.messages[:] = whole(ctx.messages)
        self._known_ids.update(id for message in ctx.messages for id in transcripts.call_ids(message))
        form = self._parameters.get("response_format")
        self._input_bytes = reading.bytes_of(ctx.messages, self._toolbox.offered, form)

    async def next_turn(self) -> Turn | None:
        """The next model call, paid for and opened; None when the run is over."""
        if 0 in self._reasons:
            return None
        try:
            allowed = await self._allowed()
        except Spent as spent:
            self._stop("length", str(spent))
            return None
        return await self._open(self._request(allowed), is_last=self._is_last)

    async def listen(self, turn: Turn) -> AsyncGenerator[Chunk]:
        """The model's chunks as they come; however it ends, the stream is closed and what was used is recorded."""
        on_chunk, meter = self._agent.hooks["on_chunk"], self._ctx.ports.meter
        self._ctx.waited.model = turn.model
        try:
            chunk = await self._first_chunk(turn)
            async with aclosing(cast(AsyncGenerator[Chunk], turn.stream)) as stream:
                while chunk is not None:
                    if on_chunk:
                        with self._working:
                            chunk = await fire(on_chunk, self._ctx, chunk)
                    yield chunk
                    if meter.is_running_out and not await self._spending.keeps_up(turn):
                        break
                    with self._working.for_others():
                        chunk = await anext(stream, None)
        finally:
            self._record(turn)

    async def conclude(self, turn: Turn) -> AsyncGenerator[Event]:
        """Act on what the model said: finish, or carry out its calls and go on."""
        reply = turn.reply()
        seen = await self._seen(reply)
        yield TurnFinished(turn=turn.number, model=turn.model, usage=turn.usage)
        async with aclosing(self._conclude_further(turn)) as further:
            async for event in further:
                yield event
        theirs = [call for call in reply.tool_calls if turn.is_clients(call)]
        own = [call for call in seen.tool_calls if not turn.is_clients(call)]
        passing = None if theirs else self._toolbox.passing(own)
        if turn.is_last or seen.finish_reason in ("length", "content_filter") or not (theirs or own):
            self._end(turn, seen.finish_reason)
            async with aclosing(self._answer(turn, 0, seen.text)) as events:
                async for event in events:
                    yield event
            return
        self._append(turn.message(text=seen.text, calls=[*own, *theirs]))
        if passing is not None:
            async with aclosing(self._pass_on(passing)) as events:
                async for event in events:
                    yield event
        elif own:
            async with aclosing(self._carry_out(own, turn)) as events:
                async for event in events:
                    yield event
        if theirs and 0 not in self._reasons:
            self._reasons[0] = "tool_calls"
            if self._keeps_text and seen.text and (text := await self._fitting(seen.text)):
                yield turn.released(0, text=text, as_choice=0)
            await self._hand_to_client(theirs)

    def finished(self) -> Finished:
        """The event that ends a run which did not fail."""
        return Finished(reasons=dict(self._reasons), usage=self._usage, stopped_by=self._stopped_by)

    async def finalize(self) -> None:
        """Run the finalize hooks of a run that succeeded; what one raises is the run's error."""
        if self._ctx.handed_by is not None:
            with self._working:
                await fire(self._agent.hooks["after_handoff"], self._ctx, HandoffResult())
        if (error := await self._finalize(RunOutcome())) is not None:
            raise error

    async def fail(self, error: BaseException) -> None:
        """Run the finalize hooks of a run that failed or was left, unless they ran; what they raise is only logged."""
        if not self._finalized and (further := await self._finalize(RunOutcome(error=error))) is not None:
            logger.error("A finalize hook failed in run %s.", self._ctx.run_id, exc_info=further)

    def close(self) -> None:
        """Forget the deadline."""
        self._working.close()

    def _stop(self, reason: FinishReason, stopped_by: str) -> None:
        self._reasons[0] = reason
        self._stopped_by = stopped_by

    def _end(self, turn: Turn, reason: FinishReason) -> None:
        """The first choice is complete, or was not allowed to be."""
        if turn.is_last:
            self._stop("length", "repairs" if self._toolbox.is_unrepairable else "turns")
            return
        self._reasons[0] = ending(reason)
        if reason == "length":
            self._stopped_by = self._spending.cut_by

    @property
    def _is_last(self) -> bool:
        return self._spending.turns > self._agent.limits.turns or self._toolbox.is_unrepairable

    async def _allowed(self) -> int | None:
        return await self._spending.allow(input_bytes=self._input_bytes, output_tokens=self._usage.output_tokens)

    def _request(self, max_output_tokens: int | None) -> ModelRequest:
        """What the model is asked in the next turn."""
        tools = () if self._is_last else self._toolbox.offered
        told = [self._format.instructions] if self._format is not None and self._is_told_format else []
        clients = self._toolbox.client_names
        return ModelRequest(
            model=self._agent.model,
            messages=[*self._ctx.messages, *told, *([NO_TOOLS_LEFT] if self._is_last else ())],
            tools=tools,
            parameters=turn_parameters(
                self._parameters, is_first=self._spending.turns == 1, has_tools=bool(tools), client_names=clients
            ),
            max_output_tokens=max_output_tokens,
        )

    async def _open(self, request: ModelRequest, *, is_last: bool) -> Turn:
        max_output_tokens = request.max_output_tokens
        client_names = self._toolbox.client_names if request.tools else frozenset()
        with self._working:
            request = await fire(self._agent.hooks["before_llm_call"], self._ctx, request)
            if request.max_output_tokens != max_output_tokens:
                paid_for = smaller(request.max_output_tokens, max_output_tokens)
                request = msgspec.structs.replace(request, max_output_tokens=paid_for)
            stream = self._answering.stream(request)
        return Turn(
            number=self._spending.turns,
            request=request,
            stream=stream,
            input_bytes=self._input_bytes,
            client_names=client_names,
            known_ids=self._known_ids,
            meter=self._ctx.ports.meter,
            is_last=is_last,
            keeps_text=self._keeps_text,
        )

    async def _first_chunk(self, turn: Turn) -> Chunk | None:
        """The reply's beginning; what the model does not take is left out and named, if the owner wants that."""
        while True:
            try:
                with tracing.within(turn.span), self._working.for_others():
                    chunk = await anext(turn.stream, None)
                turn.model = self._answering.by.model
                return chunk
            except ModelRejected as error:
                name = self._left_out(turn, error)
            told: list[Message] = []
            if name == "response_format" and self._format is not None:
                self._is_told_format = True
                told = [self._format.instructions]
                self._input_bytes += reading.bytes_of(told) - reading.bytes_of([], self._parameters[name])
            else:
                self._ctx.ignored.add(name)
                logger.info("Run %s goes on without %s, which its model does not take.", self._ctx.run_id, name)
            self._parameters.pop(name, None)
            with self._working:
                turn.ask_again(self._answering, without=name, telling=told)

    def _left_out(self, turn: Turn, error: ModelRejected) -> str:
        """The parameter that the model does not take, if it can be asked without; else the error is raised."""
        name = field_of(error)
        if name not in turn.request.parameters or not self._can_do_without(error):
            raise error
        return name

    def _can_do_without(self, error: ModelFailed) -> bool:
        if not isinstance(error, ModelRejected):
            return False
        droppable = self._agent.drop_unsupported and error.code == "unsupported_parameter"
        return droppable or (field_of(error) == "response_format" and self._format is not None)

    async def _conclude_further(self, turn: Turn) -> AsyncGenerator[Event]:
        """The ends of the choices after the first."""
        for index, (reason, wanted) in turn.further_choices().items():
            self._reasons[index] = reason
            if self._keeps_text:
                async with aclosing(self._answer(turn, index, turn.text(index))) as events:
                    async for event in events:
                        yield event
            elif wanted:
                yield Delta(
                    choice=index, text=f"[{', '.join(wanted)}: only the first choice can use the agent's tools.]"
                )

    async def _answer(self, turn: Turn, index: int, text: str) -> AsyncGenerator[Event]:
        """The last words of a choice, if they were kept back: in the form asked for, corrected once if need be."""
        spoken, at = turn, index
        if self._keeps_text and self._reasons[index] == "stop" and not turn.refuses(index):
            try:
                text = await self._fitted(text)
            except ReplyUnfit as unfit:
                spoken, at = await self._open_correction(turn, text, unfit), 0
                async with aclosing(self.listen(spoken)) as chunks:
                    async for chunk in chunks:
                        if (delta := spoken.absorb(chunk)) is not None:
                            yield msgspec.structs.replace(delta, choice=index)
                seen = await self._seen(spoken.reply())
                yield TurnFinished(turn=spoken.number, model=spoken.model, usage=spoken.usage)
                text, self._reasons[index] = seen.text, ending(seen.finish_reason)
                if self._reasons[index] == "stop" and not spoken.refuses(0):
                    text = await self._fitted(text)
        elif self._keeps_text and self._reasons[index] == "tool_calls":
            text = await self._fitting(text)
        if self._keeps_text and text:
            yield spoken.released(at, text=text, as_choice=index)
        if index == 0:
            self._append(spoken.message(text=text, calls=()))

    async def _open_correction(self, turn: Turn, text: str, unfit: ReplyUnfit) -> Turn:
        """Ask once more, with what was said and what is wrong with it."""
        messages = [*turn.request.messages, {"role": "assistant", "content": text}, correction(unfit)]
        self._input_bytes += reading.bytes_of(messages[-2:])
        try:
            allowed = await self._allowed()
        except Spent:
            raise unfit from None
        parameters = turn_parameters(self._parameters, is_first=False, has_tools=False)
        request = msgspec.structs.replace(
            turn.request, messages=messages, tools=(), parameters=parameters, max_output_tokens=allowed
        )
        return await self._open(request, is_last=False)

    async def _seen(self, reply: ModelReply) -> ModelReply:
        """The reply as the hooks leave it."""
        with self._working:
            return await fire(self._agent.hooks["after_llm_call"], self._ctx, reply)

    async def _fitted(self, text: str) -> str:
        assert self._format is not None
        with self._working:
            return await self._format.fitted(text, organization_id=self._ctx.caller.organization_id)

    async def _fitting(self, text: str) -> str:
        """The text if it has the form that was asked for, else nothing: beside calls it is a remark to nobody."""
        try:
            return await self._fitted(text)
        except ReplyUnfit:
            return ""

    def _record(self, turn: Turn) -> None:
        self._ctx.waited.model = None
        tracing.answered(turn)
        used = turn.usage if turn.began else None
        self._keep(self._answering.by, used, reply_id=turn.reply_id)
        self._usage += used or Usage()

    def _keep(self, candidate: Candidate, usage: Usage | None = None, **named: str) -> None:
        recording.record(self._ctx, candidate, usage, agent_id=self._agent.id, input_bytes=self._input_bytes, **named)

    async def _carry_out(self, calls: Sequence[ToolCall], turn: Turn) -> AsyncGenerator[Event]:
        """Run the agent's own tools and tell the model; when the money for one is used up, the run ends."""
        self._used_own_tools = True
        outcomes: list[ToolOutcome] = []
        try:
            async with aclosing(
                self._toolbox.carry_out(calls, turn=turn.number, working=self._working, outcomes=outcomes)
            ) as events:
                async for event in events:
                    yield event
        except BudgetExhausted as exhausted:
            self._stop("length", exhausted.on)
            return
        for outcome in outcomes:
            self._append({"role": "tool", "tool_call_id": outcome.call.id, "content": outcome.content})

    async def _pass_on(self, passing: Passing) -> AsyncGenerator[Event]:
        """Let another answer from here on; where it cannot, the model is told so and goes on."""
        self._used_own_tools = True
        async with aclosing(passing.take_over(self._agent, self._ctx, self._working)) as events:
            async for event in events:
                yield event
        if not passing.result.success:
            told = str(passing.result.result or "The conversation was not passed on. Go on yourself.")
            self._append({"role": "tool", "tool_call_id": passing.call.id, "content": told})
            return
        self._append({"role": "assistant", "content": "".join(passing.said)})
        ended = passing.finished
        self._reasons[0] = ended.reasons.get(0, "stop") if ended is not None else "stop"
        if ended is not None:
            self._stopped_by, self._usage = ended.stopped_by, self._usage + ended.usage

    async def _hand_to_client(self, calls: Sequence[ToolCall]) -> None:
        if self._used_own_tools:
            with self._working:
                await transcripts.keep(self._ctx, client_calls=[call.id for call in calls], appended=self._appended)

    def _append(self, message: Message) -> None:
        message = whole(message)
        self._ctx.messages.append(message)
        self._appended.append(message)
        self._input_bytes += reading.bytes_of([message])

    async def _finalize(self, outcome: RunOutcome) -> BaseException | None:
        self._finalized = True
        return await finalize(self._agent.hooks["finalize_connection"], self._ctx, outcome)
