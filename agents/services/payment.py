"""Who pays for what a caller asks: its own organization, or that of the payment token it was handed."""

import logging
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import DatabaseError

from agents.services.on_behalf import on_behalf_of
from billing import tokens
from billing.errors import (
    BillingError,
    BudgetExceeded,
    HoldClosed,
    HoldNotFound,
    InsufficientFunds,
    LedgerRefused,
    NoWallet,
    TokenCapExceeded,
    TokenInvalid,
    WalletFrozen,
)
from billing.tokens import Permit
from tenants.caller import Caller
from tenants.errors import TenantsUnavailable
from tenants.secret import Secret
from tenants.threads import answered

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Payer:
    """The organization that pays, and the token that says so. Without a token it is the caller's own."""

    organization_id: UUID
    caller_id: UUID
    permit: Permit | None = None

    @property
    def parent_hold(self) -> UUID | None:
        """What the money is carved out of; None for a wallet."""
        return self.permit.hold_id if self.permit else None

    @property
    def token_id(self) -> UUID | None:
        """The token that pays."""
        return self.permit.id if self.permit else None

    def most_nanos(self, *limits: int | None) -> int | None:
        """What one call may cost at most, by what the token says and by these limits; None if nobody says."""
        said = (*limits, self.permit.max_per_call_nanos if self.permit else None)
        return min((limit for limit in said if limit is not None), default=None)

    @property
    def is_caller(self) -> bool:
        """Whether the caller's own organization pays, by a token or without."""
        return self.organization_id == self.caller_id

    @property
    def recorded(self) -> dict[str, Any]:
        """What stands in the row of a run that a token pays for."""
        permit = self.permit
        return {} if permit is None else {"payment_token": permit.public_id, "payer_id": permit.organization_id}

    def require_within(self, amount_nanos: int) -> None:
        """Raise InsufficientFunds for more than one call may cost."""
        most = self.most_nanos()
        if most is not None and amount_nanos > most:
            raise InsufficientFunds(required_nanos=amount_nanos, available_nanos=most, held_nanos=0, limited_by="hold")

    async def told(self, error: BillingError) -> BillingError:
        """What a caller may know of a refusal: of another's wallet and budgets, that they refuse and no more."""
        permit = self.permit
        if permit is None:
            return error
        match error:
            case LedgerRefused() | HoldClosed() | HoldNotFound():
                return await self._ended_meanwhile(permit, error)
            case InsufficientFunds() if _is_of_token(error):
                await self._tell_exhausted(permit, error)
                return TokenCapExceeded(
                    permit.prefix, required_nanos=error.required_nanos, available_nanos=error.available_nanos
                )
            case InsufficientFunds() if not self.is_caller:
                return TokenCapExceeded(permit.prefix, required_nanos=error.required_nanos, available_nanos=None)
            case WalletFrozen() | NoWallet() if not self.is_caller:
                return TokenInvalid(permit.prefix, "The payment token cannot be used at the moment.")
            case _:
                return error

    async def _tell_exhausted(self, permit: Permit, error: InsufficientFunds) -> None:
        try:
            await answered(
                tokens.tell_exhausted,
                permit.id,
                organization_id=permit.organization_id,
                required_nanos=error.required_nanos,
            )
        except (DatabaseError, TenantsUnavailable) as lost:
            _log.warning("Nobody hears that the token %s is exhausted: %s", permit.prefix, type(lost).__name__)

    async def _ended_meanwhile(self, permit: Permit, refused: BillingError) -> BillingError:
        """Why the ledger does not charge a token that was good a moment ago."""
        try:
            (await answered(tokens.of, permit.organization_id, permit.id)).require_active()
        except BillingError as error:
            return error
        return refused


async def payer_for(caller: Caller, token: Secret | None, *, agent_id: UUID | None) -> Payer:
    """Who pays for a run of this agent, or of none. Raises what keeps the token from paying for it."""
    if token is None:
        return Payer(organization_id=caller.organization_id, caller_id=caller.organization_id)
    permit = await on_behalf_of(caller, tokens.recognise, token.reveal())
    permit.require_active()
    permit.require_audience(agent_id)
    return payer_by(caller, permit)


def payer_by(caller: Caller, permit: Permit) -> Payer:
    """Who pays when the caller uses this token."""
    return Payer(organization_id=permit.organization_id, caller_id=caller.organization_id, permit=permit)


def _is_of_token(error: InsufficientFunds) -> bool:
    """Whether it is the token's own cap that refuses: its hold, or the budget over it."""
    return error.limited_by == "hold" or (isinstance(error, BudgetExceeded) and error.budget.scope == "token")
