"""What a run came to, for its page: the lines of its bill, how they add up to the charge, and which money moved."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from billing.amounts import dollars, plain
from billing.lines import Line, Part
from billing.models import Hold, Settlement, Transfer, TransferGroup, UsageLine
from billing.selectors import sums_of

PICOS_PER_DOLLAR = 10**12
_BASIS_POINTS = "basis_points"
_PARTS: dict[Part, str] = {"cost": "Provider's cost", "markup": "Agent's price", "fee": "Platform's fee"}
_WHY = {
    "retry": "in vain",
    "own_credential": "on the owner's key",
    "unpriced": "no price",
    "insurance": "empty reply",
    "not_delivered": "not delivered",
    "test": "test key",
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """A line of the bill, in words. `note` says why nobody pays it."""

    what: str
    quantity: str
    price: str
    amount: str
    source: str
    is_estimated: bool
    note: str


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """What was reserved, what it was made of, how that adds up, and which money moved; `facts` are names and values."""

    facts: tuple[tuple[str, Any], ...]
    rows: tuple[Row, ...]
    sums: tuple[tuple[str, str], ...]
    transfers: tuple[tuple[Transfer, str], ...]


def receipt_of(run_id: UUID) -> Receipt | None:
    """The money of a run as far as the asking organization may see it; None for a run of which nothing was written."""
    holds = list(Hold.objects.filter(charge__run_id=run_id).select_related("charge"))
    lines = list(UsageLine.objects.filter(charge__run_id=run_id).order_by("charge_id", "number"))
    if not holds and not lines:
        return None
    settlements = Settlement.objects.in_bulk([hold.pk for hold in holds])
    facts: list[tuple[str, Any]] = []
    sums = [(f"{_PARTS[part]}: {_exactly(pico)}, in whole nanodollars", dollars(n)) for part, pico, n in sums_of(lines)]
    for hold in holds:
        facts += [("Reserved", dollars(hold.amount)), ("Reservation", hold.get_state_display())]
        if settlement := settlements.get(hold.pk):
            facts += _facts(settlement)
            sums += _charged(settlement)
    groups = TransferGroup.objects.filter(charge__in=[hold.charge_id for hold in holds])
    moved = Transfer.objects.filter(group__in=groups).select_related("group").order_by("id")
    return Receipt(
        facts=tuple(facts),
        rows=rows_of(lines),
        sums=tuple(sums),
        transfers=tuple((transfer, dollars(transfer.amount)) for transfer in moved),
    )


def rows_of(lines: Iterable[UsageLine | Line]) -> tuple[Row, ...]:
    """The lines of a bill, in words."""
    return tuple(_row(line) for line in lines)


def _facts(settlement: Settlement) -> Sequence[tuple[str, str]]:
    asked = [
        ("Charged", settlement.charged),
        ("Beyond the reservation", settlement.overrun),
        ("Not covered", settlement.loss),
    ]
    return [(name, dollars(amount)) for name, amount in asked if amount or name == "Charged"]


def _charged(settlement: Settlement) -> Sequence[tuple[str, str]]:
    """How the price becomes what is charged."""
    price = settlement.cost + settlement.markup + settlement.fee
    unpaid = price - settlement.charged
    rest = [("What nobody is charged for: it was not reserved", f"−{dollars(unpaid)}")] if unpaid else []
    return [("Price", dollars(price)), *rest, ("Charged", dollars(settlement.charged))]


def _row(line: UsageLine | Line) -> Row:
    if line.unit == _BASIS_POINTS:
        quantity, price = f"of {dollars(line.quantity)}", f"{line.price_pico / 100:g} %"
    else:
        quantity, price = f"{line.quantity:,} {line.unit.replace('_', ' ')}", _exactly(line.price_pico)
    return Row(
        what=f"{line.sku}{f' (attempt {line.attempt})' if line.attempt > 1 else ''}",
        quantity=quantity,
        price=price,
        amount=_exactly(int(line.amount_pico)),
        source=line.source,
        is_estimated=line.is_estimated,
        note="" if line.billable else _WHY.get(line.reason, line.reason),
    )


def _exactly(pico: int) -> str:
    """Picodollars in dollars, to the last of them."""
    return f"${plain(pico, scale=PICOS_PER_DOLLAR)}"
