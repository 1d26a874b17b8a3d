"""The bill of a run: each charge with what was held for it, what it came to, and who got which part."""

from datetime import datetime
from typing import Any, Literal, TypeAlias
from uuid import UUID

from ninja import Schema
from pydantic import Field

from billing.selectors import ChargeLines

BillLine: TypeAlias = Any
"""A row of the bill's lines, which only billing names."""


class ChargeHold(Schema):
    """What was reserved before the work began."""

    amount_nanos: str
    state: str = Field(description="open, settled, released, expired or late.")
    opened_at: datetime
    closed_at: datetime | None


class ChargeSettlement(Schema):
    """What the work came to.

    The price is cost + markup + fee. What is charged of it is at most reserved + overrun, and is split into the
    creator's and the platform's share; what the provider asked and nobody paid is the platform's loss.
    """

    cost_nanos: str
    markup_nanos: str
    fee_nanos: str
    reserved_nanos: str
    overrun_nanos: str
    charged_nanos: str
    creator_share_nanos: str
    platform_share_nanos: str
    loss_nanos: str
    source: str = Field(description="Who measured the usage: provider, counted, checkpoint or estimated.")
    late: bool
    created_at: datetime


class ChargeLine(Schema):
    """What one measured thing came to.

    `amount_pico` is `quantity` times `price_pico`; where the unit is `basis_points` it is so many hundredths of a
    percent of `quantity` nanodollars: the markup's rounded down to a whole nanodollar, the fee's up.
    """

    part: Literal["cost", "markup", "fee"] = Field(description="Whose it is: the provider's, the owner's, ours.")
    sku: str = Field(description="The model, the tool, or the agent's address.")
    unit: str
    quantity: str
    price_pico: str = Field(description="Picodollars for one of the unit; or how many basis points.")
    amount_pico: str
    source: str = Field(description="Who measured it: provider, counted, checkpoint, estimated or tool.")
    estimated: bool = Field(description="Whether that was neither the provider nor the tool.")
    billable: bool = Field(description="Whether anybody pays it.")
    reason: str = Field(description="Why nobody does.")
    attempt: int


class ChargeSum(Schema):
    """The billable lines of a part, added up, and what that is when it is rounded up to a whole nanodollar."""

    part: Literal["cost", "markup", "fee"]
    amount_pico: str
    amount_nanos: str


class ChargeTransfer(Schema):
    """A movement of money out of the payer's wallet."""

    id: str
    kind: str
    amount_nanos: str
    to: Literal["creator", "platform"]
    created_at: datetime


class RunCharge(Schema):
    """One charge of a run. Work that was free from the start has no hold; what used nothing has no settlement."""

    id: UUID
    kind: str
    status: str
    reference: str
    hold: ChargeHold | None
    settlement: ChargeSettlement | None
    lines: list[ChargeLine] = Field(description="What it was made of; none until it is settled.")
    sums: list[ChargeSum] = Field(description="The settlement's cost, markup and fee, as the lines come to them.")
    transfers: list[ChargeTransfer]
    started_at: datetime
    finished_at: datetime | None


_AMOUNTS = (
    "cost", "markup", "fee", "reserved", "overrun", "charged", "creator_share", "platform_share", "loss",
)  # fmt: skip


def charge_of(bill: ChargeLines) -> RunCharge:
    """The charge as it is shown."""
    charge = bill.charge
    return RunCharge(
        id=charge.id,
        kind=charge.kind,
        status=charge.status,
        reference=charge.reference,
        hold=_hold(bill),
        settlement=_settlement(bill),
        lines=[_line(line) for line in bill.lines],
        sums=[
            ChargeSum(part=part, amount_pico=str(pico), amount_nanos=str(nanos)) for part, pico, nanos in bill.sums()
        ],
        transfers=[
            ChargeTransfer(
                id=str(transfer.id),
                kind=transfer.group.kind,
                amount_nanos=str(transfer.amount),
                to="platform" if transfer.credit_organization_id is None else "creator",
                created_at=transfer.created_at,
            )
            for transfer in bill.transfers
        ],
        started_at=charge.started_at,
        finished_at=charge.finished_at,
    )


def _line(line: BillLine) -> ChargeLine:
    numbers: dict[str, Any] = {name: str(getattr(line, name)) for name in ("quantity", "price_pico", "amount_pico")}
    words: dict[str, Any] = {
        name: getattr(line, name) for name in ("part", "sku", "unit", "source", "billable", "reason", "attempt")
    }
    return ChargeLine(**numbers, **words, estimated=line.is_estimated)


def _hold(bill: ChargeLines) -> ChargeHold | None:
    hold = bill.hold
    if hold is None:
        return None
    return ChargeHold(
        amount_nanos=str(hold.amount), state=hold.state, opened_at=hold.opened_at, closed_at=hold.closed_at
    )


def _settlement(bill: ChargeLines) -> ChargeSettlement | None:
    settlement = bill.settlement
    if settlement is None:
        return None
    amounts = {f"{name}_nanos": str(getattr(settlement, name)) for name in _AMOUNTS}
    return ChargeSettlement(**amounts, source=settlement.source, late=settlement.late, created_at=settlement.created_at)
