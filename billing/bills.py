"""The bill of a run, in whole numbers: what it comes to, and the lines that say why.

Cost and fee are rounded up to a whole nanodollar, once per run; an owner's share of the cost is rounded down.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from billing.lines import Line, Part, Source
from billing.rating import (
    BASIS_POINTS,
    MOST_BILLED_NANOS,
    PICOS_PER_NANO,
    CallRecord,
    PriceTerms,
    Rated,
    UnitPrices,
    UsageCounts,
    credible,
    quantities,
    up,
)

_TRUST: tuple[Source, ...] = ("provider", "tool", "counted", "checkpoint", "estimated")


@dataclass(frozen=True, kw_only=True)
class PricedCall:
    """A model call and the terms of the model that answered it.

    `paid` is as much of its usage as the payer is charged shares for, where a model claims more than was reserved for
    the call: None means all of it.
    """

    record: CallRecord
    terms: PriceTerms
    paid: UsageCounts | None = None
    attempt: int = 1
    upstream_request_id: str = ""


@dataclass(frozen=True, kw_only=True)
class ToolPrice:
    """What one successful call of a priced tool costs; its creator earns it."""

    tool: str
    nanos: int
    call_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Bill:
    """What a run came to, and the lines that explain every nanodollar of it.

    Of each part, the picodollars of the billable lines, rounded up, are the part's nanodollars.
    """

    rated: Rated
    lines: tuple[Line, ...]


def bill(
    calls: Sequence[PricedCall], *, own: PriceTerms, agent: str, tools: Sequence[ToolPrice] = (), runs: int = 1
) -> Bill:
    """The price of these calls, of priced tools (theirs goes to the creator), and of `runs` runs of the agent.

    cost = what the providers ask, rounded up once; markup = the owner's share of cost (`own.markup_bps`, rounded down),
    per token, per run and tools; fee = the platform's share of both, rounded up. An owner who pays with an own
    credential owes the fee alone. `own` are the terms of the agent's own model: those of a stand-in differ in the price
    of the model only. `agent` is its address, which the lines of its own prices name.

    A meter hands over every record of a run in order, those of attempts that were not delivered as well, each with the
    terms of the model that answered, and says in `paid` where it cut the usage to what was reserved. What a platform
    paid for on its own credential is its cost in full; all shares follow what was reserved. While a run goes on
    `bill(..., runs=0).rated` is what it has accrued, and `runs=1` with the tools in progress what has to be reserved.
    """
    unpaid = "own_credential" if own.owner_is_payer and not own.platform_credential else ""
    paid = _bounded(_merged(line for call in calls for line in _cost_lines(call, told=False)))
    told = paid
    if own.platform_credential and any(call.paid is not None for call in calls):
        told = _bounded(_merged(line for call in calls for line in _cost_lines(call, told=True)))
    base = _nanos(paid)
    source = _weakest(told)
    share = base * own.markup_bps // BASIS_POINTS
    markup = _bounded(
        [
            *_merged(line for call in calls for line in _own_lines(call, own, agent)),
            *_tool_lines(tools),
            *_run_lines(own, agent, runs),
            *_share("markup", agent, of=base, points=own.markup_bps, nanos=share, source=source),
        ]
    )
    base += _nanos(markup)
    fee_nanos = min(up(base * own.fee_bps, BASIS_POINTS), MOST_BILLED_NANOS)
    fee = _share("fee", agent, of=base, points=own.fee_bps, nanos=fee_nanos, source=source)
    if unpaid:
        told, markup = _unbilled(told, unpaid), _unbilled(markup, unpaid)
    return Bill(
        rated=Rated(cost_nanos=_nanos(told), markup_nanos=_nanos(markup), fee_nanos=fee_nanos),
        lines=(*told, *markup, *fee),
    )


def rate(terms: PriceTerms, usages: Sequence[CallRecord], *, tool_nanos: int = 0, runs: int = 1) -> Rated:
    """What `bill` comes to when one model answered all calls."""
    calls = [PricedCall(record=record, terms=terms) for record in usages]
    tools = (ToolPrice(tool="tools", nanos=tool_nanos),) if tool_nanos else ()
    return bill(calls, own=terms, agent="agent", tools=tools, runs=runs).rated


def _cost_lines(call: PricedCall, *, told: bool) -> Iterator[Line]:
    usage = call.record.usage if told or call.paid is None else call.paid
    model = call.terms.model
    price = UnitPrices() if model is None else model.tier(credible(usage.input_tokens))
    reason = "" if model is not None else "unpriced"
    if not call.record.delivered:
        reason = "retry"
    for unit, quantity in quantities(usage).items():
        if quantity:
            yield Line(
                part="cost",
                sku=call.record.model,
                unit=unit,
                quantity=quantity,
                price_pico=(asked := getattr(price, unit)),
                amount_pico=quantity * asked,
                source=usage.source,
                billable=not reason,
                reason=reason,
                attempt=call.attempt,
                upstream_request_id=call.upstream_request_id,
            )


def _own_lines(call: PricedCall, own: PriceTerms, agent: str) -> Iterator[Line]:
    if not call.record.delivered:
        return
    usage = call.record.usage if call.paid is None else call.paid
    for unit, tokens, price in (
        ("input", usage.input_tokens, own.input_pico),
        ("output", usage.output_tokens, own.output_pico),
    ):
        if price and (quantity := credible(tokens)):
            amount = quantity * price
            yield Line(
                part="markup", sku=agent, unit=unit, quantity=quantity, price_pico=price, amount_pico=amount,
                source=usage.source,
            )  # fmt: skip


def _tool_lines(tools: Sequence[ToolPrice]) -> Iterator[Line]:
    for each in tools:
        asked = min(each.nanos, MOST_BILLED_NANOS) * PICOS_PER_NANO
        yield Line(
            part="markup", sku=each.tool, unit="call", quantity=1, price_pico=asked, amount_pico=asked, source="tool",
            upstream_request_id=each.call_id,
        )  # fmt: skip


def _run_lines(own: PriceTerms, agent: str, runs: int) -> Iterator[Line]:
    if runs and own.per_run_nanos:
        asked = own.per_run_nanos * PICOS_PER_NANO
        yield Line(
            part="markup", sku=agent, unit="run", quantity=runs, price_pico=asked, amount_pico=runs * asked,
            source="provider",
        )  # fmt: skip


def _share(part: Part, sku: str, *, of: int, points: int, nanos: int, source: Source) -> list[Line]:
    if not of or not points:
        return []
    return [
        Line(
            part=part, sku=sku, unit="basis_points", quantity=of, price_pico=points,
            amount_pico=min(nanos, MOST_BILLED_NANOS) * PICOS_PER_NANO, source=source,
        )
    ]  # fmt: skip


def _merged(lines: Iterable[Line]) -> list[Line]:
    """One line for what has the same price for the same reason, unless it would be too large to keep."""
    merged: dict[Line, list[Line]] = {}
    for line in lines:
        alike = merged.setdefault(replace(line, quantity=0, amount_pico=0), [])
        if alike and alike[-1].amount_pico + line.amount_pico <= MOST_BILLED_NANOS * PICOS_PER_NANO:
            last = alike[-1]
            line = replace(
                last, quantity=last.quantity + line.quantity, amount_pico=last.amount_pico + line.amount_pico
            )
            alike.pop()
        alike.append(line)
    return [line for alike in merged.values() for line in alike]


def _bounded(lines: list[Line]) -> list[Line]:
    """The lines of a part, or a single one of the most that the books can hold."""
    if sum(line.amount_pico for line in lines if line.billable) <= MOST_BILLED_NANOS * PICOS_PER_NANO:
        return lines
    most = MOST_BILLED_NANOS * PICOS_PER_NANO
    return [
        Line(
            part=lines[0].part, sku=lines[0].sku, unit="run", quantity=1, price_pico=most, amount_pico=most,
            source="estimated", reason="beyond what the books can hold",
        )
    ]  # fmt: skip


def _unbilled(lines: list[Line], reason: str) -> list[Line]:
    return [replace(line, billable=False, reason=line.reason or reason) for line in lines]


def _nanos(lines: Sequence[Line]) -> int:
    return up(sum(line.amount_pico for line in lines if line.billable), PICOS_PER_NANO)


def _weakest(lines: Sequence[Line]) -> Source:
    """Who measured what a share is taken of: the least trustworthy of all."""
    return max((line.source for line in lines if line.billable), key=_TRUST.index, default="provider")
