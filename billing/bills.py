"""The bill of a run, in whole numbers: what it comes to, and the lines that say why.

Cost and fee are rounded up to a whole nanodollar, once per run; an owner's share of the cost is rounded down.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

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
from billing.units import COUNTED, REQUEST

MOST_BILLED_PICO = MOST_BILLED_NANOS * PICOS_PER_NANO

_TRUST: tuple[Source, ...] = ("provider", "tool", "counted", "checkpoint", "estimated")
_UNPRICED = UnitPrices()


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
    billed = _rows(calls, own=own, agent=agent, tools=tools, runs=runs)
    unpaid = "own_credential" if _owes_fee_alone(own) else ""
    lines = (
        *_lines("cost", billed.cost, unpaid),
        *_lines("markup", billed.markup, unpaid),
        *_lines("fee", billed.fee, ""),
    )
    return Bill(rated=_rated(billed, own), lines=lines)


def rate(terms: PriceTerms, usages: Sequence[CallRecord], *, tool_nanos: int = 0, runs: int = 1) -> Rated:
    """What `bill` comes to when one model answered all calls."""
    calls = [PricedCall(record=record, terms=terms) for record in usages]
    tools = (ToolPrice(tool="tools", nanos=tool_nanos),) if tool_nanos else ()
    return _rated(_rows(calls, own=terms, agent="", tools=tools, runs=runs), terms)


class _Row(NamedTuple):
    """A line before it is known to whom it counts; `reason` says why it does not count to anybody."""

    sku: str
    unit: str
    quantity: int
    price_pico: int
    amount_pico: int
    source: Source
    reason: str = ""
    attempt: int = 1
    upstream_request_id: str = ""


class _Rows(NamedTuple):
    cost: list[_Row]
    markup: list[_Row]
    fee: list[_Row]


def _rows(calls: Sequence[PricedCall], *, own: PriceTerms, agent: str, tools: Sequence[ToolPrice], runs: int) -> _Rows:
    told = [row for call in calls for row in _cost_rows(call, call.record.usage)]
    paid = [row for call in calls for row in _reserved_rows(call)] if any(map(_is_cut, calls)) else told
    told = told if own.platform_credential else paid
    base = _nanos(paid)
    source = _weakest(told)
    markup = [*_own_rows(calls, own, agent), *_tool_rows(tools), *_run_rows(own, agent, runs)]
    markup += _share(agent, of=base, points=own.markup_bps, nanos=base * own.markup_bps // BASIS_POINTS, source=source)
    base += _nanos(markup)
    fee = _share(agent, of=base, points=own.fee_bps, nanos=up(base * own.fee_bps, BASIS_POINTS), source=source)
    return _Rows(cost=told, markup=markup, fee=fee)


def _rated(billed: _Rows, own: PriceTerms) -> Rated:
    fee = _nanos(billed.fee)
    if _owes_fee_alone(own):
        return Rated(cost_nanos=0, markup_nanos=0, fee_nanos=fee)
    return Rated(cost_nanos=_nanos(billed.cost), markup_nanos=_nanos(billed.markup), fee_nanos=fee)


def _owes_fee_alone(own: PriceTerms) -> bool:
    return own.owner_is_payer and not own.platform_credential


def _cost_rows(call: PricedCall, usage: UsageCounts) -> Iterator[_Row]:
    record, model = call.record, call.terms.model
    price = _UNPRICED if model is None else model.tier(credible(usage.input_tokens), usage.service_tier)
    reason = "retry" if not record.delivered else "unpriced" if model is None else ""
    for unit, quantity in quantities(usage).items():
        asked = getattr(price, unit)
        if quantity and (asked or unit != REQUEST):
            yield _Row(
                record.model, unit, quantity, asked, quantity * asked, usage.source, reason, call.attempt,
                call.upstream_request_id,
            )  # fmt: skip


def _reserved_rows(call: PricedCall) -> Iterator[_Row]:
    """As much of a call as was reserved for it: of what no bytes bound, what the price says it may use."""
    most = call.terms.model.most if call.terms.model else {}
    for row in _cost_rows(call, call.record.usage if call.paid is None else call.paid):
        if row.unit not in COUNTED:
            yield row
        elif quantity := min(row.quantity, most.get(row.unit, 0)):
            yield row._replace(quantity=quantity, amount_pico=quantity * row.price_pico)


def _is_cut(call: PricedCall) -> bool:
    usage = call.record.usage
    return call.paid is not None or any(getattr(usage, field, 0) for field in COUNTED.values())


def _own_rows(calls: Sequence[PricedCall], own: PriceTerms, agent: str) -> Iterator[_Row]:
    if not own.input_pico and not own.output_pico:
        return
    for call in calls:
        usage = call.record.usage if call.paid is None else call.paid
        read, written = credible(usage.input_tokens), credible(usage.output_tokens)
        for unit, tokens, price in (("input", read, own.input_pico), ("output", written, own.output_pico)):
            if price and tokens and call.record.delivered:
                yield _Row(agent, unit, tokens, price, tokens * price, usage.source)


def _tool_rows(tools: Sequence[ToolPrice]) -> Iterator[_Row]:
    for each in tools:
        asked = min(each.nanos * PICOS_PER_NANO, MOST_BILLED_PICO)
        yield _Row(each.tool, "call", 1, asked, asked, "tool", upstream_request_id=each.call_id)


def _run_rows(own: PriceTerms, agent: str, runs: int) -> Iterator[_Row]:
    if runs and own.per_run_nanos:
        asked = own.per_run_nanos * PICOS_PER_NANO
        yield _Row(agent, "run", runs, asked, runs * asked, "provider")


def _share(agent: str, *, of: int, points: int, nanos: int, source: Source) -> list[_Row]:
    if not of or not points:
        return []
    amount = min(nanos, MOST_BILLED_NANOS) * PICOS_PER_NANO
    return [_Row(agent, "basis_points", of, points, amount, source)]


def _weakest(rows: Sequence[_Row]) -> Source:
    """Who measured what a share is taken of: the least trustworthy of all."""
    sources = {row.source for row in rows if not row.reason}
    return max(sources, key=_TRUST.index, default="provider")


def _nanos(rows: Sequence[_Row]) -> int:
    return min(up(sum(row.amount_pico for row in rows if not row.reason), PICOS_PER_NANO), MOST_BILLED_NANOS)


def _lines(part: Part, rows: list[_Row], unpaid: str) -> Iterator[Line]:
    """The lines of a part: one for what differs in nothing but its number, or one of the most the books can hold."""
    if sum(row.amount_pico for row in rows if not row.reason) > MOST_BILLED_PICO:
        rows = [_Row(rows[0].sku, "run", 1, MOST_BILLED_PICO, MOST_BILLED_PICO, "estimated")]
    for row in _merged(rows):
        reason = row.reason or unpaid
        yield Line(part=part, **(row._asdict() | {"reason": reason, "billable": not reason}))


def _merged(rows: Sequence[_Row]) -> Iterator[_Row]:
    alike: dict[_Row, _Row] = {}
    for row in rows:
        key = row._replace(quantity=0, amount_pico=0)
        so_far = alike.get(key)
        if so_far is None:
            alike[key] = row
        elif so_far.amount_pico + row.amount_pico > MOST_BILLED_PICO:
            yield so_far  # together they would not fit into a column
            alike[key] = row
        else:
            amount = so_far.amount_pico + row.amount_pico
            alike[key] = row._replace(quantity=so_far.quantity + row.quantity, amount_pico=amount)
    yield from alike.values()
