"""One run, from its hold to its settlement, in a task that no request owns."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from django.conf import settings

from agents.adapters.meter import FEWEST_TOKENS, RunMeter
from agents.errors import CostLimitTooLow, RunStopped
from agents.runtime import tracing
from agents.runtime.events import Delta, Event, Finished, ToolFinished, TurnFinished
from agents.services import counters
from agents.services.channel import Channel
from agents.services.reservation import Reservation
from agents.services.run_record import RunRecord
from agents.services.run_stream import Ended, RunStream, Watcher
from agents.services.running import running
from agents.services.settlement import Ending, owed, settle, unbroken
from billing import ledger
from billing.errors import BillingError, HoldConflict, InsufficientFunds
from billing.pricing import Rated
from skills.sdk import BudgetExhausted, ReplyWithheld, RunContext
from skills.sdk.aborts import bills_on
from tenants.context import organization_context

HEARD_OUT_S = 60.0
"""How long a model may speak on whose caller left."""


@dataclass(eq=False, kw_only=True)
class RunTask:
    """A run in progress. Whoever reads its stream may leave; the run ends by being settled all the same.

    `work` is what runs, once it is paid for; `goes_on_alone` whether it finishes for nobody when its reader left.
    """

    work: Callable[[], AsyncGenerator[Event]]
    goes_on_alone: bool
    ctx: RunContext
    meter: RunMeter
    reservation: Reservation
    record: RunRecord
    stream: RunStream
    channel: Channel
    also_charged: Callable[[], int] = lambda: 0
    """What other agents were paid, to which the conversation was passed on."""
    before_settling: Callable[[], Awaitable[None]] | None = None
    """What has to be given back before the run's own books are closed."""
    watchers: list[Watcher] = field(default_factory=list)
    """Who looks on."""
    task: asyncio.Task[None] | None = None
    hears_out: bool = False
    """Nobody reads any more, and a model is heard to the end of its reply because it has to be paid for."""
    written_at: float = field(default_factory=time.monotonic)
    """When the books last heard of it."""
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    _begun: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    _finished: Finished | None = None
    _ended: Ending | None = None
    _stopped_because: str = ""
    _ended_by_caller: bool = False
    _is_heard_out: bool = False
    _waited_s: float = 0.0
    _timer: asyncio.TimerHandle | None = None

    def launch(self) -> None:
        """Let it go, as its caller's organization; it takes its place among the runs of the process at once."""
        running().add(self)
        self.stream.on_leave = self.leave
        self.stream.ignored = self.ctx.ignored
        with organization_context(self.reservation.caller):
            self.task = asyncio.create_task(self._work(), name=f"run {self.ctx.run_id}")
        self.task.add_done_callback(self._over)

    async def begun(self) -> None:
        """Wait until what it may cost is reserved; raises what keeps it from beginning."""
        assert self.task is not None
        try:
            await asyncio.wait({self.task, self._begun}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await self.stream.aclose()
            raise
        if not self._begun.done():
            self.task.result()

    def leave(self) -> None:
        """The reader left: stop at once, or finish for nobody where the agent wants that.

        A model that is being paid for to the end all the same is heard out, so that what it says of its usage is known.
        """
        if self.task is None or self.task.done():
            return
        self._ended_by_caller = True
        if self.goes_on_alone and self._begun.done():
            self._timer = self.loop.call_later(settings.ROBUTLER.finish_alone_s, self.task.cancel)
        elif running().may_hear_out(self):
            self.hears_out = self.meter.keeps_to_hold = True
            self._timer = self.loop.call_later(HEARD_OUT_S, self.task.cancel)
        else:
            self.task.cancel()

    @property
    def is_billed_on(self) -> bool:
        """Whether a model is speaking whose provider bills to the end of its reply, heard or not."""
        return self.ctx.waited.model is not None and bills_on(self.ctx.waited.model)

    def stop(self, why: str, *, by_caller: bool = False) -> None:
        """The platform stops the run, and its reader is told. `by_caller` if that is what the caller asked for."""
        self._stopped_because = why
        self._ended_by_caller = self._ended_by_caller or by_caller
        if self.task is not None:
            self.loop.call_soon_threadsafe(self.task.cancel)

    def accrued(self) -> Rated:
        """What is owed should the process die now: once the run is over, all that it came to."""
        if self._ended is None:
            return self.meter.accrued()
        return owed(self.meter, self._ended).rated

    async def _work(self) -> None:
        with tracing.step(*self._described()):
            try:
                await unbroken(self._reserve())
            except BillingError as refused:
                raise await self.reservation.by.told(refused) from refused
            await self._run()

    def _described(self) -> tuple[str, tracing.Attributes]:
        """The name of the run's span, and what it says; of whose the run is it says ids."""
        name = self.ctx.agent_name
        return f"invoke_agent {name}" if name else "embeddings", {
            "gen_ai.operation.name": "invoke_agent" if name else "embeddings",
            "gen_ai.agent.name": name,
            "gen_ai.agent.id": self.ctx.agent_id,
            "robutler.run_id": self.ctx.run_id,
            "robutler.organization_id": self.ctx.caller.organization_id,
        }

    def _over(self, task: asyncio.Task[None]) -> None:
        """Also a task that was cancelled before its first step comes here."""
        running().remove(self)
        if self._timer is not None:
            self._timer.cancel()
        if not task.cancelled():
            task.exception()  # Looked at, though nobody may be left to be told.

    async def _run(self) -> None:
        """Go on to the end, whatever that is, and settle."""
        error: BaseException | None = None
        try:
            self._begun.set_result(None)
            self.record.started()
            await self._relay()
        except BaseException as caught:
            error = caught
            raise
        finally:
            self._ended = self._ending(error)
            counters.run_ended(
                self.meter.used.records,
                priced=self.meter.priced_models,
                cost_nanos=self.meter.rated(runs=1).cost_nanos,
            )
            await unbroken(self._close(self._ended, self._told(error)))

    async def _reserve(self) -> None:
        asked, meter = self.reservation, self.meter
        wanted = tokens = meter.limit(asked.max_output_tokens)
        most, needed = meter.most_nanos, asked.amount(meter, wanted)
        if most is not None and needed > most:
            tokens = meter.affordable(budget_nanos=most, input_bytes=asked.input_bytes)
            if tokens is None:
                least = min(needed, asked.amount(meter, FEWEST_TOKENS))
                asked.by.require_within(least)
                raise CostLimitTooLow(required_nanos=least, most_nanos=most)
        try:
            await self._hold(tokens)
        except InsufficientFunds as refused:
            tokens = meter.affordable(budget_nanos=refused.available_nanos, input_bytes=asked.input_bytes)
            if tokens is None:
                raise
            await self._hold(tokens)
        self.stream.max_output_tokens = None if tokens == wanted else tokens

    async def _hold(self, max_output_tokens: int | None) -> None:
        asked = self.reservation
        amount = asked.amount(self.meter, max_output_tokens)
        with tracing.step("ledger hold", {"robutler.amount_nanos": amount}):
            held = await ledger.hold(
                id=self.meter.hold_id,
                payer=asked.payer,
                parent=asked.by.parent_hold,
                token_id=asked.by.token_id,
                run_id=self.stream.run_id,
                amount_nanos=amount,
                reference=asked.reference,
                price=self.meter.terms,
                beneficiary=asked.beneficiary,
                agent_id=asked.agent_id,
                key_id=asked.key_id,
                end_user=asked.end_user,
            )
        if held.repeated:
            raise HoldConflict(f"The run {self.stream.run_id} has begun before.")
        self.meter.reserved_nanos = amount

    async def _relay(self) -> None:
        async with aclosing(self.work()) as events:
            async for event in events:
                self._note(event)
                if self.hears_out and isinstance(event, TurnFinished):
                    self._is_heard_out = True
                    return
                if self.channel.is_full:
                    await self._wait_for_reader()
                await self.channel.put(event)

    async def _wait_for_reader(self) -> None:
        """A reader's slowness is not the run's time, so it has a limit of its own."""
        since = self.loop.time()
        try:
            async with asyncio.timeout(settings.ROBUTLER.reader_patience_s - self._waited_s):
                await self.channel.room()
        except TimeoutError:
            self._stopped_because = "The answer was not read on in time."
            await self.stream.aclose()
        self._waited_s += self.loop.time() - since

    def _note(self, event: Event) -> None:
        self.stream.waited_s = self.ctx.waited.seconds
        self.stream.max_output_tokens = self.meter.cut_to
        match event:
            case Delta():
                self.record.delta(event)
            case TurnFinished(agent=""):
                self.record.turns += 1
            case ToolFinished(agent=""):
                counters.tool_ended(event.skill, ok=event.ok)
            case Finished():
                self._finished = event
        for watcher in self.watchers:
            watcher(event)

    def _ending(self, error: BaseException | None) -> Ending:
        match error:
            case None if self._is_heard_out:
                return Ending(status="disconnected", by_caller=True)
            case None:
                reason = self._finished.reasons.get(0, "") if self._finished else ""
                stopped_by = (self._finished.stopped_by or "") if self._finished else ""
                return Ending(status="finished", finish_reason=reason, stopped_by=stopped_by)
            case asyncio.CancelledError():
                left = self.channel.is_abandoned or not self._stopped_because
                status: ledger.Status = "disconnected" if left else "cancelled"
                return Ending(status=status, by_caller=self._ended_by_caller, in_vain=self._is_in_vain)
            case _:
                return Ending(
                    status="failed",
                    error=type(error).__name__,
                    in_vain=self._is_in_vain,
                    withheld=isinstance(error, ReplyWithheld),
                )

    @property
    def _is_in_vain(self) -> bool:
        """Whether a reader who is still there, and has heard nothing so far, will hear nothing but an error."""
        return not self.ctx.stream and not self._ended_by_caller

    def _told(self, error: BaseException | None) -> BaseException | None:
        """What the reader hears of it; who did not read on does when it comes back, as what it missed is gone."""
        is_cut = isinstance(error, asyncio.CancelledError) or (error is None and self.channel.is_abandoned)
        if not is_cut:
            return error
        return RunStopped(self._stopped_because) if self._stopped_because else None

    async def _tell_of_want(self, ending: Ending) -> None:
        """Whose token it is that had too little left for the run hears of it."""
        refused = self.meter.refused
        is_stopped = ending.stopped_by == "budget" or ending.error == BudgetExhausted.__name__
        if refused is not None and (is_stopped or self.meter.went_without):
            await self.reservation.by.told(refused)

    async def _close(self, ending: Ending, error: BaseException | None) -> None:
        try:
            if self.before_settling is not None:
                await self.before_settling()
            with tracing.step("ledger settle", {"robutler.status": ending.status}):
                receipt = await settle(self.meter, ending)
            await self._tell_of_want(ending)
            self.stream.settled(replace(receipt, charged_nanos=receipt.charged_nanos + self.also_charged()))
            cost_nanos = self.meter.rated(runs=1).cost_nanos
            self.record.ended(ending, receipt, cost_nanos=cost_nanos, model=self.meter.used.answered_by)
        finally:
            self.channel.end(error)
            for watcher in self.watchers:
                watcher(Ended(receipt=self.stream.receipt, error=error, finished=self._finished))
