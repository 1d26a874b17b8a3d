"""Each failure has its one answer."""

import json
from typing import Any

import pytest

from agents import errors as agents
from api.errors import problem_of
from api.problems import body_of, headers_of
from billing import errors as billing
from skills.sdk import errors as skills
from tenants import errors as tenants

REQUEST = "invalid_request_error"
POOR = billing.InsufficientFunds(required_nanos=10, available_nanos=4, held_nanos=0)
WAITING = billing.InsufficientFunds(required_nanos=10, available_nanos=4, held_nanos=6)


@pytest.mark.parametrize(
    ("error", "status", "type", "code"),
    [
        (tenants.InvalidKey(), 401, "authentication_error", "invalid_api_key"),
        (tenants.ExpiredKey(), 401, "authentication_error", "expired_api_key"),
        (tenants.OrganizationSuspended(), 403, "permission_error", "tenant_suspended"),
        (tenants.PermissionMissing("no"), 403, "permission_error", "insufficient_scope"),
        (skills.AccessDenied("no"), 403, "permission_error", "insufficient_scope"),
        (skills.RunRefused("no"), 403, "permission_error", "agent_not_allowed"),
        (agents.AgentNotFound(), 404, "invalid_request_error", "model_not_found"),
        (agents.AgentMisconfigured("skill x"), 503, "server_error", "service_unavailable"),
        (tenants.SecretUnreadable("row 5"), 503, "server_error", "service_unavailable"),
        (skills.NotAvailable("no port"), 503, "server_error", "service_unavailable"),
        (agents.Draining(), 503, "server_error", "draining"),
        (agents.TooManyRuns(), 503, "server_error", "service_unavailable"),
        (agents.RunStopped("stop"), 503, "server_error", "service_unavailable"),
        (agents.AgentsUnavailable(), 503, "server_error", "service_unavailable"),
        (tenants.TenantsUnavailable("away"), 503, "server_error", "service_unavailable"),
        (skills.ToolFailed("it broke"), 502, "upstream_error", "upstream_failed"),
        (skills.ModelFailed("it broke"), 502, "upstream_error", "upstream_failed"),
        (skills.ModelUnauthorized("key sk-1"), 502, "upstream_error", "upstream_failed"),
        (skills.ModelRejected("no", parameter="top_k"), 400, "invalid_request_error", "unsupported_parameter"),
        (skills.ModelRejected("no", code="context_length_exceeded"), 400, REQUEST, "context_length_exceeded"),
        (skills.ModelRateLimited("slow down"), 429, "rate_limit_error", "rate_limit_exceeded"),
        (skills.ModelOverloaded("busy"), 503, "upstream_error", "upstream_overloaded"),
        (skills.ModelTimeout("late"), 504, "timeout_error", "upstream_timeout"),
        (skills.RunTimedOut("late"), 504, "timeout_error", "upstream_timeout"),
        (TimeoutError(), 504, "timeout_error", "upstream_timeout"),
        (POOR, 402, "insufficient_quota", "credit_balance_exhausted"),
        (WAITING, 402, "insufficient_quota", "in_flight_budget_exhausted"),
        (billing.NoWallet(), 402, "insufficient_quota", "credit_balance_exhausted"),
        (skills.BudgetExhausted("spent"), 402, "insufficient_quota", "request_exceeds_budget"),
        (skills.PaymentRequired("pay"), 402, "payment_required", "payment_required"),
        (billing.WalletFrozen(), 403, "permission_error", "wallet_frozen"),
        (billing.BillingBusy(), 503, "server_error", "billing_busy"),
        (billing.BillingUnavailable(), 503, "server_error", "billing_unavailable"),
        (billing.PriceUnavailable("openai/secret"), 503, "server_error", "price_unavailable"),
        (RuntimeError("SECRET"), 500, "server_error", "internal_error"),
    ],
)  # fmt: skip
def test_a_failure_is_told_by_status_type_and_code(error: Exception, status: int, type: str, code: str) -> None:
    problem = problem_of(error)

    assert (problem.status, problem.type, problem.code) == (status, type, code)
    assert problem.message
    for secret in ("SECRET", "sk-1", "row 5", "openai/secret"):
        assert secret not in problem.message


@pytest.mark.parametrize(
    ("error", "header"),
    [
        (POOR, "false"),
        (WAITING, "true"),
        (billing.PriceUnavailable("m"), "false"),
        (skills.ModelUnauthorized("no"), "false"),
        (agents.Draining(), None),
        (skills.ModelRateLimited("slow"), None),
    ],
)
def test_sdks_are_told_whether_trying_again_helps(error: Exception, header: str | None) -> None:
    headers = {name.decode(): value.decode() for name, value in headers_of(problem_of(error))}

    assert headers.get("x-should-retry") == header


@pytest.mark.parametrize(
    ("asked", "told"), [(None, "1"), (0.2, "1"), (6.5, "7"), (10**9, "3600"), (float("inf"), "1"), (float("nan"), "1")]
)
def test_the_time_to_wait_is_sensible(asked: float | None, told: str) -> None:
    headers: Any = dict(headers_of(problem_of(skills.ModelRateLimited("slow", retry_after_s=asked))))

    assert headers[b"retry-after"].decode() == told


def test_money_is_told_in_strings() -> None:
    error = json.loads(body_of(problem_of(POOR)))["error"]

    assert error["metadata"] == {
        "limit_source": "wallet",
        "required_nanos": "10",
        "available_nanos": "4",
        "held_nanos": "0",
        "remedy": "top_up",
    }
    assert error["param"] is None
