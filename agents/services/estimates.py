"""What a run would cost, told without running it, by the very arithmetic that reserves money for one."""

from dataclasses import dataclass

from agents.adapters.meter import RunMeter
from agents.services.on_behalf import on_behalf_of
from agents.services.payment import Payer
from agents.services.reservation import Reservation
from agents.services.run_stream import RunRequest
from agents.services.runs import prepared
from billing import ledger, pricing
from billing import selectors as billing
from billing.pricing import PriceTerms
from tenants.caller import Caller
from tenants.context import organization_context


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What would be held for the run's first call of its model, and on which terms.

    `hold_nanos` is also the most that a run of one call costs; a run that calls its model again reserves anew for each.
    `min_nanos` is what it costs however little is said. `max_output_tokens` is what the answer would be cut to, None
    where nothing cuts it. What is not affordable shows the whole request, which the wallet does not cover.
    """

    agent: str
    model: str
    terms: PriceTerms
    input_tokens: int
    max_output_tokens: int | None
    is_cut: bool
    hold_nanos: int
    min_nanos: int
    available_nanos: int
    is_affordable: bool


async def estimate_run(*, caller: Caller, address: str, request: RunRequest) -> Estimate:
    """What this request would reserve now. Raises what keeps such a run from beginning, but for the lack of money."""
    run = await prepared(caller, address, request)
    asked, meter = run.reservation, run.meter
    available, may_spend = await on_behalf_of(caller, _means, asked.by)
    most = available if meter.most_nanos is None else min(available, meter.most_nanos)
    tokens, is_affordable = _within(asked, meter, available=most if may_spend else -1)
    return Estimate(
        agent=asked.reference,
        model=run.record.fixed["model"],
        terms=meter.terms,
        input_tokens=pricing.input_tokens_bound(asked.input_bytes),
        max_output_tokens=tokens,
        is_cut=tokens != meter.limit(asked.max_output_tokens),
        hold_nanos=asked.amount(meter, tokens),
        min_nanos=meter.rated(runs=1).total_nanos,
        available_nanos=available,
        is_affordable=is_affordable,
    )


def _within(asked: Reservation, meter: RunMeter, *, available: int) -> tuple[int | None, bool]:
    """How much output such a wallet pays for, as when it is reserved: all that is asked for, else what it covers."""
    tokens = meter.limit(asked.max_output_tokens)
    if asked.amount(meter, tokens) <= available:
        return tokens, True
    fewer = meter.affordable(budget_nanos=available, input_bytes=asked.input_bytes)
    return (tokens, False) if fewer is None else (fewer, True)


def _means(payer: Payer) -> tuple[int, bool]:
    """What there is to spend, and whether it may be: of another's wallet no more is told than what the token says."""
    permit = payer.permit
    with organization_context(payer.organization_id):
        available, may_spend = ledger.balance(payer.organization_id).available, billing.may_spend(payer.organization_id)
    if permit is None:
        return available, may_spend
    if permit.is_funded or not payer.is_caller:
        return permit.available_nanos, may_spend or not payer.is_caller
    return min(permit.available_nanos, available), may_spend
