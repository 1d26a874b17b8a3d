"""Work elsewhere that a payment token pays: reserved of the token, then taken once by whoever earns by it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import connections

from billing import ledger
from billing.errors import (
    AlreadyCaptured,
    CaptureExceedsHold,
    HoldClosed,
    HoldConflict,
    HoldNotFound,
    InsufficientFunds,
)
from billing.lines import Line, Part, as_json
from billing.permits import Permit, of
from billing.price_table import table
from billing.rating import BASIS_POINTS, PriceTerms, Rated
from tenants.context import alias, atomic, organization_context
from tenants.threads import answered

DEFAULT_SECONDS: Final = 600
_TERMS: Final = PriceTerms(model=None, platform_credential=False, owner_is_payer=False)


@dataclass(frozen=True, kw_only=True)
class Use:
    """What is reserved of a token for somebody's work. `charged_nanos` is None until it is taken or given back."""

    id: UUID
    organization_id: UUID
    token_id: UUID
    token_public_id: str
    amount_nanos: int
    state: str
    expires_at: datetime
    charged_nanos: int | None


async def hold(
    *,
    id: UUID,
    permit: Permit,
    beneficiary: UUID,
    agent_id: UUID | None,
    amount_nanos: int,
    reference: str,
    seconds: int = DEFAULT_SECONDS,
) -> Use:
    """Reserve so much of a token for work that this organization earns by; once per `id`.

    Raises TokenWrongAudience, InsufficientFunds, HoldConflict, and what keeps the token from paying.
    """
    permit.require_active()
    permit.require_audience(agent_id)
    _require_within(permit, amount_nanos)
    await ledger.hold(
        id=id,
        payer=permit.organization_id,
        run_id=id,
        amount_nanos=amount_nanos,
        reference=reference,
        price=_TERMS,
        beneficiary=beneficiary,
        kind="tool",
        ttl_s=seconds,
        agent_id=agent_id,
        parent=permit.hold_id,
        token_id=permit.id,
    )
    try:
        use = await answered(found, id, beneficiary=beneficiary)
    except HoldNotFound:
        raise HoldConflict(f"The id {id} is taken by another hold.") from None
    if use.token_id != permit.id:
        raise HoldConflict(f"The id {id} is taken by another hold.")
    return use


async def extend(*, id: UUID, beneficiary: UUID, amount_nanos: int | None, seconds: int | None) -> Use:
    """Let what is reserved grow to a new total, live longer, or both, as long as its token pays.

    Raises HoldNotFound, HoldClosed, InsufficientFunds, and what keeps the token from paying.
    """
    use = await answered(found, id, beneficiary=beneficiary)
    if use.state != "open":
        raise HoldClosed(id)
    permit = await answered(of, use.organization_id, use.token_id)
    permit.require_active()
    if amount_nanos is not None:
        _require_within(permit, amount_nanos)
        await ledger.extend(id=id, amount_nanos=amount_nanos)
    if seconds is not None:
        await ledger.checkpoint({id: Rated(cost_nanos=0, markup_nanos=0, fee_nanos=0)}, ttl_s=seconds)
    return await answered(found, id, beneficiary=beneficiary)


async def release(*, id: UUID, beneficiary: UUID) -> Use:
    """Give back what is reserved: nobody owes anything. Raises HoldNotFound, HoldClosed."""
    await answered(found, id, beneficiary=beneficiary)
    await ledger.release(id=id, status="cancelled")
    return await answered(found, id, beneficiary=beneficiary)


def capture(*, id: UUID, beneficiary: UUID, amount_nanos: int, reference: str) -> Use:
    """Take what the work came to, at most what is reserved, once; the same amount asked for again changes nothing.

    The platform's fee is part of the amount, in the proportion in which it is added to the price of a run. Raises
    HoldNotFound, HoldClosed, CaptureExceedsHold, AlreadyCaptured.
    """
    use = found(id, beneficiary=beneficiary)
    markup, fee = shares_of(amount_nanos)
    values: list[Any] = [id, beneficiary, markup, fee, as_json(_lines(reference, markup, fee))]
    with organization_context(use.organization_id), atomic(), connections[alias()].cursor() as cursor:
        cursor.execute("SELECT billing_capture_use(%s, %s, %s, %s, %s::jsonb)", values)
        (outcome,) = cursor.fetchone()
    match outcome:
        case "captured":
            return found(id, beneficiary=beneficiary)
        case "already_captured":
            raise AlreadyCaptured(id)
        case "exceeds":
            raise CaptureExceedsHold(id)
        case "closed":
            raise HoldClosed(id)
        case _:
            raise HoldNotFound(id)


def found(id: UUID, *, beneficiary: UUID) -> Use:
    """What this organization has reserved under this id; HoldNotFound for others', as for what is absent."""
    with connections[alias()].cursor() as cursor:
        cursor.execute(
            "SELECT organization_id, token_id, public_id, amount, state, expires_at, charged "
            "FROM billing_token_use(%s, %s)",
            (id, beneficiary),
        )
        row = cursor.fetchone()
    if row is None:
        raise HoldNotFound(id)
    organization_id, token_id, public_id, amount, state, expires_at, charged = row
    return Use(
        id=id,
        organization_id=organization_id,
        token_id=token_id,
        token_public_id=public_id,
        amount_nanos=amount,
        state=state,
        expires_at=expires_at,
        charged_nanos=None if state == "open" else charged or 0,
    )


def shares_of(amount_nanos: int) -> tuple[int, int]:
    """Of an amount, what who did the work earns, and the platform's fee."""
    fee_bps = table.lookup("")[0].fee_bps
    earned = amount_nanos * BASIS_POINTS // (BASIS_POINTS + fee_bps)
    return earned, amount_nanos - earned


def _require_within(permit: Permit, amount_nanos: int) -> None:
    most = permit.max_per_call_nanos
    if most is not None and amount_nanos > most:
        raise InsufficientFunds(required_nanos=amount_nanos, available_nanos=most, held_nanos=0, limited_by="hold")


def _lines(reference: str, markup: int, fee: int) -> list[Line]:
    parts: tuple[tuple[Part, int], ...] = (("markup", markup), ("fee", fee))
    return [
        Line(
            part=part, sku=reference, unit="nanodollar", quantity=nanos, price_pico=1_000, amount_pico=nanos * 1_000,
            source="tool",
        )
        for part, nanos in parts
        if nanos
    ]  # fmt: skip
