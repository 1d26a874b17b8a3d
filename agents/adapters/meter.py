"""The Meter port: counts what a run uses and keeps its hold large enough for what comes next."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import ROUND_CEILING, Decimal
from types import MappingProxyType
from uuid import UUID

from agents.adapters.allowance import Allowance
from agents.adapters.consumption import NOTHING, Consumption
from billing import ledger, pricing
from billing.errors import (
    BillingBusy,
    BillingUnavailable,
    HoldClosed,
    HoldNotFound,
    InsufficientFunds,
    WalletFrozen,
)
from billing.pricing import PriceTerms, Rated, ToolPrice
from skills.sdk import BudgetExhausted, TurnBudget, UsageRecord
from skills.sdk.specs import NANOS_PER_CREDIT

FEWEST_TOKENS = 64
"""A reply that would have to be shorter than this is not worth beginning."""
LOOK_AFTER_BYTES = 256
"""After so much more of a reply it is looked whether what is reserved will do."""
LOOK_AGAIN_BYTES = 2_048
"""The same after the ledger had no more to give."""
ALMOST_PERCENT = 80
BEYOND = 2
"""A provider is told how much it may write, and stops there by itself. Counted by its bytes a reply may look twice as
long as it is; one that is worth more than twice what is reserved does not stop, and is stopped."""


class RunMeter:
    """The consumption of one run, priced by terms that were pinned before it began.

    A model may claim to have used more than was reserved for its call. Whoever earns by the token may also be who runs
    that model, so the excess earns nobody anything; only what it cost the platform itself counts in full.
    The models that stand in for the agent's own have terms of their own: the dearest of all is reserved for a call, and
    that of the model that answered is charged. Without `charged` everything is counted and nothing costs anything.
    `choices`: how many replies each call asks for, at which `service_tier` of prices. `most_nanos`: what the run may
    cost at most, if somebody said so.
    """

    def __init__(
        self,
        *,
        hold_id: UUID,
        terms: PriceTerms,
        model: str,
        agent_id: str,
        agent: str = "",
        fallback_terms: Mapping[str, PriceTerms] = MappingProxyType({}),
        charged: bool = True,
        choices: int = 1,
        service_tier: str = "",
        most_nanos: int | None = None,
    ) -> None:
        self.hold_id = hold_id
        self.terms = terms
        self.used = Consumption(
            own=terms, model=model, terms={**fallback_terms, model: terms}, agent_id=agent_id, agent=agent or model
        )
        self.charged = charged
        self.most_nanos = most_nanos
        self.reserved_nanos = 0
        self.unwritten_bytes = 0
        """What was generated since the books heard of it."""
        self.cut_to: int | None = None
        """How much output there is money for, where that is less than was asked for."""
        self.keeps_to_hold = False
        """Whether nothing more is to be reserved: nobody reads any more."""
        self.refused: InsufficientFunds | None = None
        """What the ledger last refused for want of money."""
        self.went_without = False
        """Whether a tool was not carried out because of that."""
        self._per_call = [replace(each, per_run_nanos=0) for each in self.used.terms.values()]
        self._choices = choices
        self._service_tier = service_tier
        self._asked_tokens: int | None = None
        self._allowed_tokens: int | None = None
        self._look_at_bytes = LOOK_AFTER_BYTES
        self._tools_reserved: dict[str, int] = {}
        self._set_aside = 0
        self._reserving = asyncio.Lock()

    # --- before the run ---

    def needed(self, *, input_bytes: int, max_output_tokens: int | None) -> int:
        """What has to be reserved for another model call besides everything so far."""
        if not self.charged:
            return 0
        call = max(
            pricing.estimate(
                each,
                input_bytes=input_bytes,
                max_output_tokens=max_output_tokens,
                calls=self._choices,
                service_tier=self._service_tier,
            )
            for each in self._per_call
        )
        return self._committed() + call

    def affordable(self, *, budget_nanos: int, input_bytes: int) -> int | None:
        """How much output a call may have when this is all there is; None when not even a short one."""
        left = (budget_nanos - self._committed()) // self._choices
        affordable = (
            pricing.affordable_output_tokens(
                each, budget_nanos=left, input_bytes=input_bytes, service_tier=self._service_tier
            )
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
            self.used.begin(input_bytes=input_bytes)
            self._look_at_bytes = LOOK_AFTER_BYTES
            self._asked_tokens = max_output_tokens
            wanted = self.limit(max_output_tokens)
            allowed = await self._reserve_call(wanted)
            self._allow(allowed)
            self.cut_to = None if allowed == wanted else allowed
            return TurnBudget(max_output_tokens=allowed)

    def produced(self, size_bytes: int, *, model: str) -> None:
        """Count generated bytes of the call in progress."""
        self.used.produce(size_bytes, model=model)
        self.unwritten_bytes += size_bytes

    @property
    def is_running_out(self) -> bool:
        """Whether the call in progress may outgrow what is reserved, so that `keep_up` has to be asked."""
        if self.used.produced_bytes < self._look_at_bytes or not self.reserved_nanos:
            return False
        self._look_at_bytes = self.used.produced_bytes + LOOK_AFTER_BYTES
        return self.used.worth_nanos() * 100 > self.reserved_nanos * ALMOST_PERCENT

    async def keep_up(self) -> None:
        """Reserve more for the call in progress. Raises BudgetExhausted when it has to stop."""
        async with self._reserving:
            short_of = await self._grow()
            if short_of is None:
                return
            if short_of != "output_tokens":
                self._look_at_bytes = self.used.produced_bytes + LOOK_AGAIN_BYTES
            if self.used.worth_nanos() > self.reserved_nanos * BEYOND:
                raise BudgetExhausted("The reply has used up what was reserved for it.", on=short_of)

    def record(self, record: UsageRecord) -> None:
        """Replace what was counted of the call in progress by its final usage."""
        self.used.record(record)

    async def reserve_tool(self, *, call_id: str, tool: str, credits: Decimal) -> None:
        """Reserve what a priced tool call may cost; nothing for one that costs nothing. Raises BudgetExhausted."""
        if not (nanos := _nanos(credits)):
            return
        async with self._reserving:
            self._tools_reserved[call_id] = nanos
            try:
                await self._reserve_or_stop(self._committed())
            except BaseException as failed:
                del self._tools_reserved[call_id]
                self.went_without = True
                if isinstance(failed, (BillingBusy, BillingUnavailable)):
                    raise BudgetExhausted("Nothing can be reserved at the moment.") from failed
                raise

    def charge_tool(self, *, call_id: str, tool: str, credits: Decimal, reason: str) -> None:
        """Charge a successful call, at most what was reserved for it."""
        if nanos := min(_nanos(credits), self._tools_reserved.pop(call_id, 0)):
            self.used.tools.append(ToolPrice(tool=tool, nanos=nanos, call_id=call_id))

    def release_tool(self, *, call_id: str) -> None:
        """Give back what was reserved for a call that failed."""
        self._tools_reserved.pop(call_id, None)

    async def set_aside(self, nanos: int) -> None:
        """Reserve so much more, for others to spend. Raises BudgetExhausted."""
        async with self._reserving:
            self._set_aside += nanos
            try:
                await self._provide()
            except BudgetExhausted:
                self._set_aside -= nanos
                raise

    async def _provide(self) -> None:
        """Have what is set aside in the hold. A run that reserves nothing has none; its limit holds all the same."""
        if self.reserved_nanos:
            await self._reserve_or_stop(self._committed())
        elif self.most_nanos is not None and self._committed() > self.most_nanos:
            raise BudgetExhausted("What the run may cost at most does not suffice for a payment token.", on="max_cost")

    def put_back(self, nanos: int) -> None:
        """What was set aside is the run's own again."""
        self._set_aside -= nanos

    # --- at any time, and at the end ---

    @property
    def priced_models(self) -> frozenset[str]:
        """Those of the run's models that the published prices name."""
        return frozenset(model for model, terms in self.used.terms.items() if terms.model is not None)

    @property
    def left_nanos(self) -> int | None:
        """What the run may still cost, if anybody said how much."""
        return None if self.most_nanos is None else max(0, self.most_nanos - self._committed())

    def accrued(self) -> Rated:
        """What is owed should the process die now: all that was used, but not the price of a run that is not done."""
        return self.rated(runs=0)

    def rated(self, *, runs: int) -> Rated:
        """What everything used so far comes to, with or without the price of the run itself."""
        return self.used.bill(runs=runs).rated if self.charged else NOTHING

    # --- reserving ---

    async def _reserve_call(self, max_output_tokens: int | None) -> int | None:
        """Reserve for a call of so much output, or for as much as there is money for. Raises BudgetExhausted."""
        while True:
            needed = self.needed(input_bytes=self.used.input_bytes, max_output_tokens=max_output_tokens)
            try:
                await self._reserve(needed)
            except InsufficientFunds as refused:
                budget = self.reserved_nanos + refused.available_nanos
                fewer = self.affordable(budget_nanos=budget, input_bytes=self.used.input_bytes)
                if fewer is None or (max_output_tokens is not None and fewer >= max_output_tokens):
                    raise _exhausted(refused) from refused
                max_output_tokens = fewer
            except WalletFrozen as frozen:
                raise _exhausted(frozen) from frozen
            else:
                return max_output_tokens

    def _allow(self, max_output_tokens: int | None) -> None:
        self._allowed_tokens = max_output_tokens
        self.used.allowed = {
            model: self._allowance(terms, max_output_tokens) for model, terms in self.used.terms.items()
        }

    def _allowance(self, terms: PriceTerms, max_output_tokens: int | None) -> Allowance:
        written = None if max_output_tokens is None else min(max_output_tokens, terms.max_output_tokens)
        return Allowance(
            input_tokens=pricing.input_tokens_bound(self.used.input_bytes) * self._choices,
            output_tokens=None if written is None else written * self._choices,
            service_tier=self._service_tier,
            most={name: count * self._choices for name, count in terms.most.items()},
        )

    async def _grow(self) -> str | None:
        """Reserve for more output of the call in progress; what is lacking for that, None if nothing."""
        wanted = self._more_tokens()
        if wanted is None:
            return "output_tokens"
        before, self.used.produced_bytes = self.used.produced_bytes, 0
        try:
            # Reserved is for the calls before and for this one as it may become, not for what it has come to as well.
            needed = self.needed(input_bytes=self.used.input_bytes, max_output_tokens=wanted)
        finally:
            self.used.produced_bytes = before
        try:
            await self._reserve(needed)
        except (InsufficientFunds, WalletFrozen) as refused:
            return _exhausted(refused).on
        except (BillingBusy, BillingUnavailable, HoldClosed, HoldNotFound):
            return "budget"
        self._allow(wanted)
        return None

    def _more_tokens(self) -> int | None:
        """How much output the call in progress may be given in place of what it has; None if no more than that.

        Up to what was asked for, where the money for all of it was not there. Beyond that only where the caller set no
        limit and the platform pays the provider: an owner whose own server does not stop would set its own price.
        """
        allowed, asked = self._allowed_tokens, self.limit(self._asked_tokens)
        if allowed is None or asked is None or self.keeps_to_hold:
            return None
        if allowed < asked:
            return min(asked, allowed + pricing.DEFAULT_OUTPUT_TOKENS)
        if self._asked_tokens is not None or not self.terms.platform_credential:
            return None
        most = max(each.max_output_tokens for each in self._per_call)
        return min(allowed + pricing.DEFAULT_OUTPUT_TOKENS, most) if allowed < most else None

    def _committed(self) -> int:
        if not self.charged:
            return 0
        reserved = sum(self._tools_reserved.values())
        return self.used.bill(runs=1, reserved_nanos=reserved).rated.total_nanos + self._set_aside

    def _output_costs(self) -> bool:
        return self.charged and any(_writes_dearly(each) for each in self._per_call)

    async def _reserve(self, amount_nanos: int) -> None:
        if not self.reserved_nanos:
            amount_nanos -= self._set_aside  # there is no hold: what was set aside was so in the wallet
        if amount_nanos <= self.reserved_nanos:
            return
        if self.most_nanos is not None and amount_nanos > self.most_nanos:
            raise CostLimitReached(required_nanos=amount_nanos, available_nanos=self.most_nanos - self.reserved_nanos)
        try:
            await ledger.extend(id=self.hold_id, amount_nanos=amount_nanos)
        except InsufficientFunds as refused:
            self.refused = refused
            raise
        self.reserved_nanos = amount_nanos

    async def _reserve_or_stop(self, amount_nanos: int) -> None:
        try:
            await self._reserve(amount_nanos)
        except (InsufficientFunds, WalletFrozen) as refused:
            raise _exhausted(refused) from refused


class CostLimitReached(InsufficientFunds):
    """What a run may cost at most does not pay for what it needs."""

    def __init__(self, *, required_nanos: int, available_nanos: int) -> None:
        super().__init__(required_nanos=required_nanos, available_nanos=available_nanos, held_nanos=0)


def _exhausted(refused: InsufficientFunds | WalletFrozen) -> BudgetExhausted:
    match refused:
        case WalletFrozen():
            return BudgetExhausted("The wallet was frozen while the run was in progress.", on="frozen")
        case CostLimitReached():
            return BudgetExhausted("What the run may cost at most does not suffice to go on.", on="max_cost")
        case _:
            return BudgetExhausted("The balance does not suffice to go on.", on="budget")


def _writes_dearly(terms: PriceTerms) -> bool:
    tiers: Iterable[pricing.UnitPrices] = terms.model.tiers if terms.model else ()
    return bool(terms.output_pico) or any(tier.dearest_output for tier in tiers)


def _nanos(credits: Decimal) -> int:
    return int((credits * NANOS_PER_CREDIT).to_integral_value(rounding=ROUND_CEILING))
