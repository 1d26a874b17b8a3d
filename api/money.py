"""What the books refuse, as problems of the contract."""

from functools import singledispatch

from api import payment
from api.problems import RETRY_SOON_S, Problem, unavailable
from billing import errors as billing


@singledispatch
def money_problem_of(error: billing.BillingError) -> Problem | None:
    """The problem that a refusal is; None for what no caller can do anything about."""
    return None


@money_problem_of.register
def _(error: billing.InsufficientFunds) -> Problem:
    """Money that only other runs hold comes back by itself: that one may be tried again, and nothing else."""
    metadata = {
        "limit_source": "wallet",
        "required_nanos": str(error.required_nanos),
        "available_nanos": str(error.available_nanos),
        "held_nanos": str(error.held_nanos),
    }
    if isinstance(error, billing.BudgetExceeded):
        return _over_budget(error, metadata)
    if error.available_nanos + error.held_nanos >= error.required_nanos and error.held_nanos > 0:
        return Problem(
            status=402,
            type="insufficient_quota",
            code="in_flight_budget_exhausted",
            message="What is left of your credit is reserved by runs in progress. Try again when they are done.",
            metadata={**metadata, "remedy": "wait"},
            retry_after_s=RETRY_SOON_S,
            should_retry=True,
        )
    return Problem(
        status=402,
        type="insufficient_quota",
        code="credit_balance_exhausted",
        message="Your credit does not cover this request. Top up, or ask for less with 'max_completion_tokens'.",
        metadata={**metadata, "remedy": "top_up"},
        should_retry=False,
    )


def _over_budget(error: billing.BudgetExceeded, metadata: dict[str, str]) -> Problem:
    """A limit that the organization has set itself. What was spent comes back with a new period, or a higher limit."""
    told = {
        **metadata,
        "limit_source": error.budget.scope,
        "budget_id": str(error.budget.id),
        "limit_nanos": str(error.budget.limit_nanos),
        "spent_nanos": str(error.budget.spent_nanos),
        "resets_at": error.budget.resets_at.isoformat() if error.budget.resets_at else None,
    }
    waits = error.held_nanos > 0 and error.available_nanos + error.held_nanos >= error.required_nanos
    return Problem(
        status=402,
        type="insufficient_quota",
        code="in_flight_budget_exhausted" if waits else f"{error.budget.scope}_spend_limit_exceeded",
        message="A spending limit leaves too little for this request; 'metadata' says which, and when it begins anew.",
        metadata={**told, "remedy": "wait" if waits else "raise_limit"},
        retry_after_s=RETRY_SOON_S if waits else None,
        should_retry=waits,
    )


@money_problem_of.register
def _(error: billing.NoWallet) -> Problem:
    return Problem(
        status=402,
        type="insufficient_quota",
        code="credit_balance_exhausted",
        message="Your organization has no credit yet. Top up first.",
        metadata={"limit_source": "wallet", "available_nanos": "0", "remedy": "top_up"},
        should_retry=False,
    )


@money_problem_of.register
def _(error: billing.TokenRefused) -> Problem:
    return payment.refused_token(error)


@money_problem_of.register
def _(error: billing.TokenRequired) -> Problem:
    return payment.missing_token(error)


@money_problem_of.register
def _(error: billing.TokenNotFound) -> Problem:
    message = "There is no such payment token, or it is not this organization's."
    return Problem(status=404, type="invalid_request_error", code="token_not_found", message=message)


@money_problem_of.register
def _(error: billing.MovementRefused) -> Problem:
    if error.outcome in ("invalid_amount", "invalid_currency"):
        return Problem(status=400, type="invalid_request_error", code=error.outcome, message=str(error))
    return _conflict(f"movement_{error.outcome}", error)


@money_problem_of.register
def _(error: billing.MovementConflict) -> Problem:
    return _conflict("id_taken", error)


@money_problem_of.register
def _(error: billing.NoGateway) -> Problem:
    return Problem(
        status=503, type="server_error", code="payments_not_configured", message=str(error), should_retry=False
    )


@money_problem_of.register
def _(error: billing.GatewayRefused) -> Problem:
    return Problem(
        status=503, type="server_error", code="payments_unavailable", message=str(error), retry_after_s=RETRY_SOON_S
    )


@money_problem_of.register
def _(error: billing.ForgedEvent) -> Problem:
    return Problem(status=401, type="authentication_error", code="invalid_signature", message=str(error))


@money_problem_of.register
def _(error: billing.StaleEvent) -> Problem:
    return Problem(status=400, type="invalid_request_error", code="stale_event", message=str(error))


@money_problem_of.register
def _(error: billing.PayoutRefused) -> Problem:
    return _conflict(f"payout_{error.outcome}", error)


@money_problem_of.register
def _(error: billing.InvalidPayoutAccount) -> Problem:
    return Problem(status=400, type="invalid_request_error", code="invalid_value", message=str(error))


@money_problem_of.register(billing.NoSuchPayout)
@money_problem_of.register(billing.MovementNotFound)
@money_problem_of.register(billing.BudgetNotFound)
@money_problem_of.register(billing.WebhookNotFound)
def _(error: billing.BillingError) -> Problem:
    return Problem(status=404, type="invalid_request_error", code="not_found", message=str(error))


@money_problem_of.register(billing.HoldNotFound)
@money_problem_of.register(billing.HoldClosed)
@money_problem_of.register(billing.HoldConflict)
@money_problem_of.register(billing.AlreadyCaptured)
@money_problem_of.register(billing.CaptureExceedsHold)
def _(error: billing.BillingError) -> Problem:
    return payment.refused_hold(error)


@money_problem_of.register
def _(error: billing.WalletFrozen) -> Problem:
    message = "Your organization's wallet is frozen. Please contact support."
    return Problem(status=403, type="permission_error", code="wallet_frozen", message=message)


@money_problem_of.register(billing.InvalidBudget)
@money_problem_of.register(billing.InvalidTokenTerms)
@money_problem_of.register(billing.InvalidWebhook)
def _(error: billing.InvalidBudget | billing.InvalidTokenTerms | billing.InvalidWebhook) -> Problem:
    code = "invalid_amount" if (error.field or "").endswith("_nanos") else "invalid_value"
    return Problem(status=400, type="invalid_request_error", code=code, message=str(error), param=error.field)


@money_problem_of.register
def _(error: billing.BillingBusy) -> Problem:
    return unavailable("Billing is busy at the moment. Try again shortly.", code="billing_busy")


@money_problem_of.register
def _(error: billing.BillingUnavailable) -> Problem:
    return unavailable("Billing is not available at the moment. Try again shortly.", code="billing_unavailable")


@money_problem_of.register
def _(error: billing.PriceUnavailable) -> Problem:
    return Problem(
        status=503,
        type="server_error",
        code="price_unavailable",
        message="The agent's model has no price, so it cannot be used. Its owner can set one.",
        should_retry=False,
    )


def _conflict(code: str, error: billing.BillingError) -> Problem:
    return Problem(status=409, type="conflict_error", code=code, message=str(error), should_retry=False)
