"""What can go wrong with money, named after the fact."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID


class BillingError(Exception):
    """Anything this package refuses; its message is safe to show to a caller."""


class InsufficientFunds(BillingError):
    """What was asked for does not fit: into the wallet, or into the hold that it was to be carved out of.

    `held_nanos` is what others have reserved of it, and may give back.
    """

    def __init__(
        self,
        *,
        required_nanos: int,
        available_nanos: int,
        held_nanos: int,
        limited_by: Literal["wallet", "hold", "budget"] = "wallet",
    ) -> None:
        super().__init__(
            f"The balance does not suffice: {required_nanos} nanodollars are needed, {available_nanos} are available."
        )
        self.required_nanos = required_nanos
        self.available_nanos = available_nanos
        self.held_nanos = held_nanos
        self.limited_by = limited_by


@dataclass(frozen=True, kw_only=True)
class BudgetLeft:
    """A budget that is used up. `scope` says whose it is: the organization's, a key's, an agent's, an end user's."""

    id: UUID
    scope: str
    limit_nanos: int
    spent_nanos: int
    resets_at: datetime | None


class BudgetExceeded(InsufficientFunds):
    """What was asked for does not fit into a budget."""

    def __init__(
        self,
        *,
        required_nanos: int,
        available_nanos: int,
        held_nanos: int,
        budget: "BudgetLeft",
    ) -> None:
        super().__init__(
            required_nanos=required_nanos,
            available_nanos=available_nanos,
            held_nanos=held_nanos,
            limited_by="budget",
        )
        self.budget = budget


class InvalidBudget(BillingError):
    """A budget that cannot be set; `field` names what is wrong with it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class BudgetNotFound(BillingError):
    """There is no such budget of this organization."""


class WalletFrozen(BillingError):
    """The wallet exists and staff has stopped it."""


class NoWallet(BillingError):
    """There is no wallet: the organization does not exist, or not any more."""


class BillingBusy(BillingError):
    """Too much money is moving at once; trying again in a moment will help."""


class BillingUnavailable(BillingError):
    """The ledger does not answer, so nothing that costs money may start; trying again later will help."""


class PriceUnavailable(BillingError):
    """The model has no price, so a run of it can neither be reserved nor charged."""

    def __init__(self, model: str) -> None:
        super().__init__(
            f"There is no price for the model {model!r}: set a price on the agent, or choose another model."
        )
        self.model = model


class DuplicateRequest(BillingError):
    """Another charge of the organization carries this idempotency key."""


class HoldConflict(BillingError):
    """The id is taken by something else: an id names one hold, with one payer and one run, for ever."""


class HoldNotFound(BillingError):
    """There is no hold of this id."""

    def __init__(self, id: UUID) -> None:
        super().__init__(f"There is no hold {id}.")


class HoldClosed(BillingError):
    """The hold has ended: it can neither grow nor end differently."""

    def __init__(self, id: UUID) -> None:
        super().__init__(f"The hold {id} has ended.")


class LedgerRefused(BillingError):
    """The database refused what would break a rule of the books: a fault in the code, never of a caller."""


class PayoutRefused(BillingError):
    """A batch or a payout cannot become what was asked for. `outcome` says why, in one word."""

    def __init__(self, outcome: str, message: str) -> None:
        super().__init__(message)
        self.outcome = outcome


class InvalidPayoutAccount(BillingError):
    """Earnings cannot be sent to what was given."""


class NoSuchPayout(BillingError):
    """There is no batch or payout of this id."""


class InvalidWebhook(BillingError):
    """An endpoint that cannot be told anything; `field` names what is wrong with it."""

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class WebhookNotFound(BillingError):
    """There is no such endpoint of this organization."""


class MovementRefused(BillingError):
    """The books do not allow what a person asked for; `outcome` is the word for why, and nothing has moved."""

    def __init__(self, message: str, *, outcome: str) -> None:
        super().__init__(message)
        self.outcome = outcome


class MovementConflict(BillingError):
    """The id is taken by another movement, or by the same with another amount."""


class MovementNotFound(BillingError):
    """There is nothing of this id to move, to decide about, or to give back."""


class GatewayRefused(BillingError):
    """The company that collects payments does not answer, or not as it should; trying again later may help."""


class GatewayAway(GatewayRefused):
    """It does not answer at all, or has too much to do: there is no use in asking it anything else now."""


class PaymentUnknown(GatewayRefused):
    """It answers, and knows of nothing under this id."""


class NoGateway(BillingError):
    """Nobody collects payments for this installation: money is entered by the operator."""


class ForgedEvent(BillingError):
    """An event that does not carry the signature of the gateway whose it claims to be."""


class StaleEvent(BillingError):
    """A signed event that is too old: somebody may be sending it again."""


class TokenRequired(BillingError):
    """What was asked for is paid by a payment token, and none was sent."""

    def __init__(self) -> None:
        super().__init__("Send a payment token in the header X-Payment-Token.")


class TokenRefused(BillingError):
    """A payment token does not pay for this. `prefix` is what may be said of its text, empty for what is none."""

    def __init__(self, prefix: str, message: str) -> None:
        super().__init__(message)
        self.prefix = prefix


class TokenInvalid(TokenRefused):
    """It is no token of ours, or one that cannot be used: whoever asks is told no more."""

    def __init__(self, prefix: str, message: str = "The payment token is not known here.") -> None:
        super().__init__(prefix, message)


class TokenExpired(TokenRefused):
    """The token's time is over."""

    def __init__(self, prefix: str) -> None:
        super().__init__(prefix, "The payment token has expired. Ask whoever gave it to you for another.")


class TokenRevoked(TokenRefused):
    """The token, or one above it, was ended."""

    def __init__(self, prefix: str) -> None:
        super().__init__(prefix, "The payment token was revoked. Ask whoever gave it to you for another.")


class TokenWrongAudience(TokenRefused):
    """The token is bound to other agents."""

    def __init__(self, prefix: str) -> None:
        super().__init__(prefix, "The payment token is bound to other agents than this one.")


class TokenDepthExceeded(TokenRefused):
    """The token may not have children, or not so deep down."""

    def __init__(self, prefix: str, *, most_depth: int) -> None:
        super().__init__(prefix, "This payment token may not be delegated further.")
        self.most_depth = most_depth


class TokenCapExceeded(TokenRefused):
    """What is left of the token is less than what is needed. `available_nanos` is None where that is not to be told."""

    def __init__(self, prefix: str, *, required_nanos: int, available_nanos: int | None) -> None:
        super().__init__(prefix, "The payment token does not cover this request.")
        self.required_nanos = required_nanos
        self.available_nanos = available_nanos


class TokenNotFound(BillingError):
    """There is no such token of this organization."""

    def __init__(self) -> None:
        super().__init__("There is no such payment token.")


class InvalidTokenTerms(BillingError):
    """A token cannot be made on such terms; `field` names the one that is wrong."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class CaptureExceedsHold(BillingError):
    """More is to be taken than was reserved."""

    def __init__(self, id: UUID) -> None:
        super().__init__(f"More was asked for than the hold {id} reserves. Extend it first, or take less.")


class AlreadyCaptured(BillingError):
    """Another amount was taken before."""

    def __init__(self, id: UUID) -> None:
        super().__init__(f"Another amount was taken of the hold {id} before.")
