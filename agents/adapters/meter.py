"""The Meter port: counts what a run uses and keeps its hold large enough for what comes next."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, Decimal
from types import MappingProxyType
from uuid import UUID

import msgspec

from billing import ledger, pricing
from billing.errors import InsufficientFunds
from billing.pricing import PriceTerms, Rated
from skills.sdk import BudgetExhausted, TurnBudget, Usage, UsageRecord
from skills.sdk.usage import counted

NANOS_PER_CREDIT = 1_000_000_000
FEWEST_TOKENS = 64
"""A reply that would have to be shorter than this is not worth beginning."""

NOTHING = Rated(cost_nanos=0, markup_nanos=0, fee_nanos=0)


@dataclass(frozen=True, kw_only=True)
class Allowance:
    """The most that one model call was reserved for. `output_tokens` is None where output costs nothing."""

    input_tokens: int
    output_tokens: int | None

    def cut(self, usage: Usage) -> Usage:
        """The usage, or as much of it as was reserved."""
        read = min(usage.input_tokens, self.input_tokens)
        written = usage.output_tokens if self.output_tokens is None else min(usage.output_tokens, self.output_tokens)
        if (read, written) == (usage.input_tokens, usage.output_tokens):
            return usage
        return msgspec.structs.replace(
            usage,
            input_tokens=read,
            cached_input_tokens=min(usage.cached_input_tokens, read),
            cache_write_tokens=min(usage.cache_write_tokens, read),
            cache_write_1h_tokens=min(usage.cache_write_1h_tokens, read),
            input_audio_tokens=min(usage.input_audio_tokens, read),
            input_image_tokens=min(usage.input_image_tokens, read),
            output_tokens=written,
            reasoning_tokens=min(usage.reasoning_tokens, written),
            output_audio_tokens=min(usage.output_audio_tokens, written),
            output_image_tokens=min(usage.output_image_tokens, written),
            source="estimated",
        )


NO_ALLOWANCE = Allowance(input_tokens=0, output_tokens=0)


class RunMeter:
    """The consumption of one run, priced by terms that were pinned before it began.

    A model may claim to have used more than was reserved for its call. Whoever earns by the token may also be who runs
    that model, so the excess earns nobody anything; only what it cost the platform itself counts in full.
    The models that stand in for the agent's own have terms of their own: the dearest of all is reserved for a call, and
    that of the model that answered is charged. Without `charged` everything is counted and nothing costs anything.
    `choices`: how many replies each call asks for.
    """

    def __init__(
        self,
        *,
        hold_id: UUID,
        terms: PriceTerms,
        model: str,
        agent_id: str,
        fallback_terms: Mapping[str, PriceTerms] = MappingProxyType({}),
        charged: bool = True,
        choices: int = 1,
    ) -> None:
        self.hold_id = hold_id
        self.terms = terms
        self._terms = {**fallback_terms, model: terms}
        self.charged = charged
        self.reserved_nanos = 0
        self.unwritten_bytes = 0
        """What was generated since the books heard of it."""
        self.records: list[UsageRecord] = []
        self._payable: list[UsageRecord] = []
        self._allowed: dict[str, Allowance] = {}
        self._per_call = [replace(each, per_run_nanos=0) for each in self._terms.values()]
        self._model = model
        self._agent_id = agent_id
        self._choices = choices
        self._input_bytes = 0
        self._produced_bytes = 0
        self._producing = model
        self._tools_reserved: dict[str, int] = {}
        self._tools_charged = 0
        self._reserving = asyncio.Lock()

    # --- before the run ---

    def needed(self, *, input_bytes: int, max_output_tokens: int | None) -> int:
        """What has to be reserved for another model call besides everything so far."""
        if not self.charged:
            return 0
        call = max(
            pricing.estimate(each, input_bytes=input_bytes, max_output_tokens=max_output_tokens, calls=self._choices)
            for each in self._per_call
        )
        return self._committed() + call

    def affordable(self, *, budget_nanos: int, input_bytes: int) -> int | None:
        """How much output a call may have when this is all there is; None when not even a short one."""
        left = (budget_nanos - self._committed()) // self._choices
        affordable = (
            pricing.affordable_output_tokens(each, budget_nanos=left, input_bytes=input_bytes)
            for each in self._per_call
        )
        tokens = min((each for each in affordable if each is not None), default=None)
        return None if tokens is None or tokens < FEWEST_TOKENS else tokens

    def limit(self, max_output_tokens: int | None) -> int | None:
        """How much output is asked for; where output costs money there always is a limit."""
        if max_output_tokens is None and self._output_costs():
            return pricing.DEFAULT_OUTPUT_TOKENS
        return max_output_tokens

    # --- the port ---

    async def reserve_turn(self, *, input_bytes: int, max_output_tokens: int | None) -> TurnBudget:
        """Make sure the next model call is paid for, reserving more if need be. Raises BudgetExhausted."""
        async with self._reserving:
            self._input_bytes, self._produced_bytes = input_bytes, 0
            self._allowed = {}
            wanted = self.limit(max_output_tokens)
            try:
                await self._reserve(self.needed(input_bytes=input_bytes, max_output_tokens=wanted))
            except InsufficientFunds as refused:
                budget = self.reserved_nanos + refused.available_nanos
                wanted = self.affordable(budget_nanos=budget, input_bytes=input_bytes)
                if wanted is None:
                    raise BudgetExhausted("The balance does not suffice for another call of the model.") from refused
                await self._reserve_or_stop(self.needed(input_bytes=input_bytes, max_output_tokens=wanted))
            self._allowed = {model: self._allowance(terms, wanted) for model, terms in self._terms.items()}
            return TurnBudget(max_output_tokens=wanted)

    def produced(self, size_bytes: int, *, model: str) -> None:
        """Count generated bytes of the call in progress."""
        self._produced_bytes += size_bytes
        self.unwritten_bytes += size_bytes
        self._producing = model

    def record(self, record: UsageRecord) -> None:
        """Replace what was counted of the call in progress by its final usage."""
        self.records.append(record)
        self._payable.append(self._cut(record))
        self._produced_bytes = 0

    async def reserve_tool(self, *, call_id: str, tool: str, credits: Decimal) -> None:
        """Reserve what a priced tool call may cost. Raises BudgetExhausted."""
        async with self._reserving:
            self._tools_reserved[call_id] = _nanos(credits)
            try:
                await self._reserve_or_stop(self._committed())
            except BudgetExhausted:
                del self._tools_reserved[call_id]
                raise

    def charge_tool(self, *, call_id: str, tool: str, credits: Decimal, reason: str) -> None:
        """Charge a successful call, at most what was reserved for it."""
        self._tools_charged += min(_nanos(credits), self._tools_reserved.pop(call_id, 0))

    def release_tool(self, *, call_id: str) -> None:
        """Give back what was reserved for a call that failed."""
        self._tools_reserved.pop(call_id, None)

    # --- at any time, and at the end ---

    @property
    def priced_models(self) -> frozenset[str]:
        """Those of the run's models that the published prices name."""
        return frozenset(model for model, terms in self._terms.items() if terms.model is not None)

    @property
    def delivered(self) -> bool:
        """Whether a model answered at all, be it with nothing."""
        return self.has_output or any(record.delivered for record in self.records)

    @property
    def answered_by(self) -> str | None:
        """The model that answered last."""
        return next((record.model for record in reversed(self.records) if record.delivered), None)

    @property
    def has_output(self) -> bool:
        """Whether a model has generated anything."""
        return self._produced_bytes > 0 or any(
            record.delivered and record.usage.output_tokens > 0 for record in self.records
        )

    @property
    def usage(self) -> Usage:
        """Everything used so far, the call in progress included: as the platform's provider told it, else as paid."""
        total = Usage()
        for record in self._told() if self.terms.platform_credential else self._paid():
            if record.delivered:
                total += record.usage
        return total

    def accrued(self) -> Rated:
        """What is owed should the process die now: all that was used, but not the price of a run that is not done."""
        return self.rated(runs=0)

    def rated(self, *, runs: int) -> Rated:
        """What everything used so far comes to, with or without the price of the run itself."""
        if not self.charged:
            return NOTHING
        return self._rated(tool_nanos=self._tools_charged, runs=runs)

    def unearned(self) -> Rated:
        """What everything used so far comes to where the agent's owner earns nothing by it."""
        cost_nanos = self.rated(runs=0).cost_nanos
        fee_nanos = -(-cost_nanos * self.terms.fee_bps // pricing.BASIS_POINTS)
        return Rated(cost_nanos=cost_nanos, markup_nanos=0, fee_nanos=fee_nanos)

    def _rated(self, *, tool_nanos: int, runs: int) -> Rated:
        paid = self._sum(self._paid(), tool_nanos=tool_nanos, runs=runs)
        if not self.terms.platform_credential:
            return paid
        return replace(paid, cost_nanos=self._sum(self._told(), tool_nanos=0, runs=0).cost_nanos)

    def _sum(self, records: list[UsageRecord], *, tool_nanos: int, runs: int) -> Rated:
        """Each call at the price of the model that answered it; tools and the run itself at the agent's own."""
        own = [record for record in records if record.model not in self._terms or record.model == self._model]
        total = pricing.rate(self.terms, own, tool_nanos=tool_nanos, runs=runs)
        if len(own) == len(records):
            return total
        for model, terms in self._terms.items():
            if model != self._model:
                total += pricing.rate(terms, [each for each in records if each.model == model], runs=0)
        return total

    def _told(self) -> list[UsageRecord]:
        """The calls as their models reported them, the one in progress as it was counted."""
        return [*self.records, *self._in_progress()]

    def _paid(self) -> list[UsageRecord]:
        """The calls with at most what was reserved for each."""
        return [*self._payable, *map(self._cut, self._in_progress())]

    def _in_progress(self) -> tuple[UsageRecord, ...]:
        if not self._produced_bytes:
            return ()
        record = UsageRecord(
            model=self._producing,
            usage=counted(input_bytes=self._input_bytes, output_bytes=self._produced_bytes),
            platform_credential=self.terms.platform_credential,
            agent_id=self._agent_id,
        )
        return (record,)

    def _cut(self, record: UsageRecord) -> UsageRecord:
        allowed = self._allowed.get(record.model) or self._allowed.get(self._model, NO_ALLOWANCE)
        return msgspec.structs.replace(record, usage=allowed.cut(record.usage))

    def _allowance(self, terms: PriceTerms, max_output_tokens: int | None) -> Allowance:
        written = None if max_output_tokens is None else min(max_output_tokens, terms.max_output_tokens)
        return Allowance(
            input_tokens=pricing.input_tokens_bound(self._input_bytes) * self._choices,
            output_tokens=None if written is None else written * self._choices,
        )

    def _committed(self) -> int:
        if not self.charged:
            return 0
        tools = self._tools_charged + sum(self._tools_reserved.values())
        return self._rated(tool_nanos=tools, runs=1).total_nanos

    def _output_costs(self) -> bool:
        return self.charged and any(
            each.output_pico or any(tier.dearest_output for tier in (each.model.tiers if each.model else ()))
            for each in self._terms.values()
        )

    async def _reserve(self, amount_nanos: int) -> None:
        if amount_nanos > self.reserved_nanos:
            await ledger.extend(id=self.hold_id, amount_nanos=amount_nanos)
            self.reserved_nanos = amount_nanos

    async def _reserve_or_stop(self, amount_nanos: int) -> None:
        try:
            await self._reserve(amount_nanos)
        except InsufficientFunds as refused:
            raise BudgetExhausted("The balance does not suffice to go on.") from refused


def _nanos(credits: Decimal) -> int:
    return int((credits * NANOS_PER_CREDIT).to_integral_value(rounding=ROUND_CEILING))
