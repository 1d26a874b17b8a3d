"""The bill of a run: each charge with what was held for it, what it came to, and who got which part."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from ninja import Schema
from pydantic import Field

from billing.selectors import ChargeLines


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


class ChargeTransfer(Schema):
    """A movement of money out of the payer's wallet."""

    id: str
    kind: str
    amount_nanos: str
    to: Literal["creator", "platform"]
    created_at: datetime


class RunCharge(Schema):
    """One charge of a run. Work that was free from the start has no hold; what owed nothing has no settlement."""

    id: UUID
    kind: str
    status: str
    reference: str
    hold: ChargeHold | None
    settlement: ChargeSettlement | None
    transfers: list[ChargeTransfer]
    started_at: datetime
    finished_at: datetime | None


_AMOUNTS = (
    "cost", "markup", "fee", "reserved", "overrun", "charged", "creator_share", "platform_share", "loss",
)  # fmt: skip


def charge_of(lines: ChargeLines) -> RunCharge:
    """The charge as it is shown."""
    charge = lines.charge
    return RunCharge(
        id=charge.id,
        kind=charge.kind,
        status=charge.status,
        reference=charge.reference,
        hold=_hold(lines),
        settlement=_settlement(lines),
        transfers=[
            ChargeTransfer(
                id=str(transfer.id),
                kind=transfer.group.kind,
                amount_nanos=str(transfer.amount),
                to="platform" if transfer.credit_organization_id is None else "creator",
                created_at=transfer.created_at,
            )
            for transfer in lines.transfers
        ],
        started_at=charge.started_at,
        finished_at=charge.finished_at,
    )


def _hold(lines: ChargeLines) -> ChargeHold | None:
    hold = lines.hold
    if hold is None:
        return None
    return ChargeHold(
        amount_nanos=str(hold.amount), state=hold.state, opened_at=hold.opened_at, closed_at=hold.closed_at
    )


def _settlement(lines: ChargeLines) -> ChargeSettlement | None:
    settlement = lines.settlement
    if settlement is None:
        return None
    amounts = {f"{name}_nanos": str(getattr(settlement, name)) for name in _AMOUNTS}
    return ChargeSettlement(**amounts, source=settlement.source, late=settlement.late, created_at=settlement.created_at)
