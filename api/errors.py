"""What went wrong, in HTTP's words: the one map from exceptions to problems."""

import math
from functools import singledispatch

from django.db import InterfaceError, OperationalError

from agents import errors as agents
from api.money import money_problem_of
from api.problems import RETRY_SOON_S, InvalidRequest, Problem, Refused, unavailable
from billing import errors as billing
from skills.sdk import errors as skills
from tenants import errors as tenants


@singledispatch
def problem_of(error: BaseException) -> Problem:
    """The problem that `error` is for the client. What nobody foresaw is an internal error and says no more."""
    return Problem(
        status=500,
        type="server_error",
        code="internal_error",
        message="Something went wrong on our side. Try again; if it stays, tell us the X-Request-ID of this answer.",
    )


@problem_of.register
def _(error: billing.BillingError) -> Problem:
    return money_problem_of(error) or problem_of.dispatch(BaseException)(error)


@problem_of.register
def _(error: Refused) -> Problem:
    return error.problem


@problem_of.register
def _(error: InvalidRequest) -> Problem:
    return Problem(status=400, type="invalid_request_error", code=error.code, message=error.message, param=error.param)


# --- who is asking ----------------------------------------------------------------------------------------------------


@problem_of.register
def _(error: tenants.InvalidKey) -> Problem:
    """One wording for unknown and revoked. Some clients know a 401 by how its message begins."""
    message = (
        "Incorrect API key provided: it is unknown or was revoked. You can make one in the console, under API keys."
    )
    return Problem(status=401, type="authentication_error", code="invalid_api_key", message=message)


@problem_of.register
def _(error: tenants.ExpiredKey) -> Problem:
    message = "Incorrect API key provided: it has expired. You can make a new one in the console, under API keys."
    return Problem(status=401, type="authentication_error", code="expired_api_key", message=message)


@problem_of.register
def _(error: tenants.OrganizationSuspended) -> Problem:
    message = "Your organization is suspended. Please contact support."
    return Problem(status=403, type="permission_error", code="tenant_suspended", message=message)


@problem_of.register
def _(error: tenants.AddressNotAllowed) -> Problem:
    message = "This API key is not accepted from your address."
    return Problem(status=403, type="permission_error", code="ip_not_allowed", message=message)


@problem_of.register(tenants.PermissionMissing)
@problem_of.register(skills.AccessDenied)
def _(error: Exception) -> Problem:
    return Problem(
        status=403, type="permission_error", code="insufficient_scope", message=str(error) or "Not permitted."
    )


@problem_of.register
def _(error: skills.RunRefused) -> Problem:
    return Problem(
        status=403, type="permission_error", code="agent_not_allowed", message=str(error) or "Not permitted."
    )


# --- agents -----------------------------------------------------------------------------------------------------------


@problem_of.register
def _(error: agents.AgentNotFound) -> Problem:
    return Problem(
        status=404,
        type="invalid_request_error",
        code="model_not_found",
        message="The model does not exist, or you do not have access to it. GET /v1/models lists those you may use.",
        param="model",
    )


@problem_of.register
def _(error: agents.RunNotFound) -> Problem:
    message = "There is no such run, or it is not this key's to see. GET /v1/runs lists those that are."
    return Problem(status=404, type="invalid_request_error", code="not_found", message=message)


@problem_of.register
def _(error: agents.ToolExecutionOver) -> Problem:
    return Problem(status=409, type="conflict_error", code="tool_execution_over", message=str(error))


@problem_of.register(agents.ToolExecutionNotFound)
@problem_of.register
def _(error: agents.ApprovalNotFound) -> Problem:
    message = "There is nothing at this address, or it is not yours to see."
    return Problem(status=404, type="invalid_request_error", code="not_found", message=message)


@problem_of.register
def _(error: agents.ApprovalOver) -> Problem:
    return Problem(status=409, type="conflict_error", code="approval_over", message=str(error))


@problem_of.register
def _(error: agents.InvalidRange) -> Problem:
    return Problem(status=400, type="invalid_request_error", code="invalid_value", message=str(error), param="from")


@problem_of.register(agents.AgentMisconfigured)
@problem_of.register(tenants.SecretUnreadable)
@problem_of.register(skills.NotAvailable)
def _(error: Exception) -> Problem:
    return Problem(
        status=503,
        type="server_error",
        code="service_unavailable",
        message="The agent cannot run as it is configured. Its owner has to look after its skills and credentials.",
        should_retry=False,
    )


@problem_of.register
def _(error: agents.Draining) -> Problem:
    return unavailable("The server is shutting down; another one will answer.", code="draining")


@problem_of.register
def _(error: agents.RunStopped) -> Problem:
    return unavailable("The run was stopped before it was done.")


@problem_of.register
def _(error: agents.KeyInUse) -> Problem:
    return Problem(
        status=409,
        type="idempotency_error",
        code="request_in_progress",
        message="A request with this Idempotency-Key is being answered. Ask again for its answer.",
        metadata={"run_id": str(error.run_id)},
        retry_after_s=RETRY_SOON_S,
        should_retry=True,
    )


@problem_of.register
def _(error: agents.KeyReused) -> Problem:
    return Problem(
        status=422,
        type="idempotency_error",
        code="idempotency_key_reused",
        message="This Idempotency-Key came with another request before. Use a new key for each request.",
        should_retry=False,
    )


@problem_of.register
def _(error: agents.TooManyRuns) -> Problem:
    return unavailable("Too many runs are in progress. Try again shortly.")


@problem_of.register(agents.AgentsUnavailable)
@problem_of.register(tenants.TenantsUnavailable)
@problem_of.register(OperationalError)
@problem_of.register(InterfaceError)
def _(error: Exception) -> Problem:
    return unavailable("The service is not available at the moment. Try again shortly.")


# --- models -----------------------------------------------------------------------------------------------------------


@problem_of.register
def _(error: skills.SkillError) -> Problem:
    return _upstream(502, "upstream_error", "upstream_failed", str(error), retry_after_s=None)


@problem_of.register
def _(error: skills.ModelFailed) -> Problem:
    return _upstream(502, "upstream_error", "upstream_failed", str(error), retry_after_s=_wait(error))


@problem_of.register
def _(error: skills.ReplyUnfit) -> Problem:
    message = f"The model's reply is not in the form that 'response_format' asks for: {error}."
    return Problem(status=502, type="upstream_error", code="upstream_failed", message=message, should_retry=False)


@problem_of.register
def _(error: skills.ModelUnauthorized) -> Problem:
    message = "The model's provider refuses the agent's credential. The agent's owner has to mend it."
    return Problem(status=502, type="upstream_error", code="upstream_failed", message=message, should_retry=False)


@problem_of.register
def _(error: skills.CredentialMissing) -> Problem:
    message = "There is no credential for the agent's model. The agent's owner has to store one, under Credentials."
    return Problem(status=502, type="upstream_error", code="upstream_failed", message=message, should_retry=False)


@problem_of.register
def _(error: skills.ModelRejected) -> Problem:
    return Problem(
        status=400,
        type="invalid_request_error",
        code=error.code or ("unsupported_parameter" if error.parameter else "invalid_value"),
        message=str(error),
        param=error.parameter,
    )


@problem_of.register
def _(error: skills.ModelRateLimited) -> Problem:
    return _upstream(429, "rate_limit_error", "rate_limit_exceeded", str(error), retry_after_s=_wait(error))


@problem_of.register
def _(error: skills.ModelOverloaded) -> Problem:
    return _upstream(503, "upstream_error", "upstream_overloaded", str(error), retry_after_s=_wait(error))


@problem_of.register
def _(error: skills.ModelTimeout) -> Problem:
    return _upstream(504, "timeout_error", "upstream_timeout", str(error), retry_after_s=None)


@problem_of.register(skills.RunTimedOut)
@problem_of.register(TimeoutError)
def _(error: Exception) -> Problem:
    message = "The agent did not finish within the time it has for a run."
    return _upstream(504, "timeout_error", "upstream_timeout", message, retry_after_s=None)


# --- money ------------------------------------------------------------------------------------------------------------


@problem_of.register
def _(error: agents.CostLimitTooLow) -> Problem:
    return Problem(
        status=400,
        type="invalid_request_error",
        code="max_cost_too_low",
        message="The most that this run may cost does not pay for even a short answer. Allow more with X-Max-Cost-USD, "
        "or ask an agent whose owner allows more.",
        param="X-Max-Cost-USD",
        metadata={"required_nanos": str(error.required_nanos), "max_cost_nanos": str(error.most_nanos)},
        should_retry=False,
    )


@problem_of.register
def _(error: skills.BudgetExhausted) -> Problem:
    return Problem(
        status=402,
        type="insufficient_quota",
        code="request_exceeds_budget",
        message="The money reserved for this run does not cover it.",
        metadata={"limit_source": "run", "remedy": "top_up"},
        should_retry=False,
    )


@problem_of.register
def _(error: skills.PaymentRequired) -> Problem:
    return Problem(
        status=402,
        type="payment_required",
        code="payment_required",
        message=str(error) or "What was asked for is not paid for.",
        should_retry=False,
    )


def _upstream(status: int, type: str, code: str, message: str, *, retry_after_s: int | None) -> Problem:
    message = message or "The agent's model did not answer."
    return Problem(status=status, type=type, code=code, message=message, retry_after_s=retry_after_s)


def _wait(error: skills.ModelFailed) -> int:
    """How long to wait in whole seconds, at least one: what the provider said, if it said something sensible."""
    seconds = error.retry_after_s or 0
    return min(max(RETRY_SOON_S, math.ceil(seconds)), 3600) if math.isfinite(seconds) else RETRY_SOON_S
