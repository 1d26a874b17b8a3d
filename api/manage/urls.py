"""The addresses of the management API, under /api/v1/."""

from collections.abc import Callable
from typing import Any

from django.urls import URLPattern, path
from rest_framework.serializers import Serializer

from api.manage.agents import approvals, end_users, handoffs, tool_executions
from api.manage.billing import (
    books,
    budgets,
    charges,
    disputes,
    earnings,
    moves,
    payment_tokens,
    payments,
    payments_v2,
    price_versions,
    prices,
    settlements,
    statements,
    token_holds,
    transactions,
    usage,
    wallet,
    webhooks,
)
from billing import adjustments, grants, refunds, top_ups


def _entry(noun: str, form: type[Serializer[Any]], service: Callable[..., str]) -> URLPattern:
    """Where staff enters movements of a kind."""
    return path(f"admin/billing/{noun}", moves.Entry.as_view(form=form, service=staticmethod(service)))


def _decision(noun: str, decide: Callable[..., str]) -> URLPattern:
    """Where staff decides about one that awaits a second person."""
    return path(f"admin/billing/{noun}/<uuid:move_id>/decide", moves.Decision.as_view(decide=staticmethod(decide)))


urlpatterns: list[URLPattern] = [
    path("agents/handoffs", handoffs.Handoffs.as_view()),
    path("privacy/export", end_users.Export.as_view()),
    path("privacy/erase", end_users.Erasure.as_view()),
    path("tool-executions", tool_executions.ToolExecutions.as_view()),
    path("tool-executions/<uuid:execution_id>", tool_executions.ToolExecution.as_view()),
    path("tool-executions/<uuid:execution_id>/cancel", tool_executions.Cancellation.as_view()),
    path("approvals", approvals.Approvals.as_view()),
    path("approvals/<uuid:approval_id>", approvals.Approval.as_view()),
    path("approvals/<uuid:approval_id>/decision", approvals.Decision.as_view()),
    path("billing/wallet", wallet.Wallet.as_view()),
    path("billing/holds", token_holds.Holds.as_view()),
    path("billing/holds/<uuid:hold_id>", wallet.Hold.as_view()),
    path("billing/holds/<uuid:hold_id>/extend", token_holds.Extend.as_view()),
    path("billing/holds/<uuid:hold_id>/capture", token_holds.Capture.as_view()),
    path("billing/holds/<uuid:hold_id>/release", token_holds.Release.as_view()),
    path("billing/payment-tokens", payment_tokens.PaymentTokens.as_view()),
    path("billing/payment-tokens/introspect", payment_tokens.Introspect.as_view()),
    path("billing/payment-tokens/<uuid:token_id>", payment_tokens.PaymentToken.as_view()),
    path("billing/payment-tokens/<uuid:token_id>/delegate", payment_tokens.Delegate.as_view()),
    path("billing/payment-tokens/<uuid:token_id>/revoke", payment_tokens.Revoke.as_view()),
    path("billing/budgets", budgets.Budgets.as_view()),
    path("billing/budgets/<uuid:budget_id>", budgets.Budget.as_view()),
    path("billing/budgets/<uuid:budget_id>/windows", budgets.Windows.as_view()),
    path("billing/charges", charges.Charges.as_view()),
    path("billing/charges/<uuid:charge_id>", charges.Charge.as_view()),
    path("billing/disputes", disputes.Disputes.as_view()),
    path("billing/disputes/<uuid:dispute_id>", disputes.Dispute.as_view()),
    path("admin/billing/disputes/<uuid:dispute_id>/reject", disputes.Rejection.as_view()),
    path("billing/prices", prices.Prices.as_view()),
    path("billing/prices/<path:sku>", prices.Price.as_view()),
    path("billing/agents/<path:address>/pricing", prices.AgentPricing.as_view()),
    path("billing/usage", usage.Usage.as_view()),
    path("billing/transactions", transactions.Transactions.as_view()),
    path("billing/transactions/<int:transaction_id>", transactions.Transaction.as_view()),
    _entry("topups", moves.TopUpAsked, top_ups.enter),
    _entry("grants", moves.GrantAsked, grants.give),
    _entry("refunds", moves.RefundAsked, refunds.refund),
    _entry("adjustments", moves.AdjustmentAsked, adjustments.adjust),
    _entry("write-offs", moves.AdjustmentAsked, adjustments.write_off),
    _entry("reversals", moves.ReversalAsked, adjustments.reverse),
    _decision("topups", top_ups.decide),
    _decision("grants", grants.decide),
    _decision("refunds", refunds.decide),
    _decision("adjustments", adjustments.decide),
    path("admin/billing/payout-batches", settlements.Batches.as_view()),
    path("admin/billing/payout-batches/<uuid:batch_id>", settlements.Batch.as_view()),
    path("admin/billing/payout-batches/<uuid:batch_id>/approve", settlements.BatchStep.as_view(step="approve")),
    path("admin/billing/payout-batches/<uuid:batch_id>/cancel", settlements.BatchStep.as_view(step="cancel")),
    path("admin/billing/payout-batches/<uuid:batch_id>/sent", settlements.BatchStep.as_view(step="mark_sent")),
    path("admin/billing/payout-batches/<uuid:batch_id>/payouts", settlements.BatchPayouts.as_view()),
    path("admin/billing/payouts/<uuid:payout_id>", settlements.Payout.as_view()),
    path("admin/billing/payouts/<uuid:payout_id>/record", settlements.Record.as_view()),
    path("admin/billing/payouts/<uuid:payout_id>/retry", settlements.Retry.as_view()),
    path("admin/billing/trial-balance", books.TrialBalance.as_view()),
    path("admin/billing/pnl", books.ProfitAndLoss.as_view()),
    path("admin/billing/reconciliations", books.Reconciliations.as_view()),
    path("admin/billing/exports/<str:name>.<str:kind>", books.Export.as_view()),
    path("admin/billing/wallets/<uuid:organization_id>/standing", moves.Standing.as_view()),
    path("admin/billing/price-versions", price_versions.PriceVersions.as_view()),
    path("admin/billing/price-versions/<int:version_id>", price_versions.PriceVersion.as_view()),
    path("admin/billing/price-versions/<int:version_id>/publish", price_versions.PricePublication.as_view()),
    path("billing/earnings", earnings.Earnings.as_view()),
    path("billing/payouts", earnings.Payouts.as_view()),
    path("billing/payouts/<uuid:payout_id>", earnings.Payout.as_view()),
    path("billing/payout-account", earnings.PayoutAccount.as_view()),
    path("billing/statements", statements.Statements.as_view()),
    path("billing/statements/<str:period>.pdf", statements.StatementPdf.as_view()),
    path("billing/statements/<str:period>.csv", statements.StatementCsv.as_view()),
    path("billing/statements/<str:period>.json", statements.Statement.as_view()),
    path("billing/statements/<str:period>", statements.Statement.as_view()),
    path("billing/topups", payments.TopUps.as_view()),
    path("billing/webhooks/stripe", payments.StripeEvents.as_view()),
    path("billing/grants", moves.Grants.as_view()),
    path("billing/webhook-endpoints", webhooks.Endpoints.as_view()),
    path("billing/webhook-endpoints/<uuid:endpoint_id>", webhooks.Endpoint.as_view()),
    path("billing/webhook-endpoints/<uuid:endpoint_id>/rotate-secret", webhooks.Rotation.as_view()),
    path("billing/webhook-endpoints/<uuid:endpoint_id>/deliveries", webhooks.Deliveries.as_view()),
    path("billing/balance-alert", webhooks.BalanceAlert.as_view()),
]

payments_v2_patterns: list[URLPattern] = [
    path("verify", payments_v2.Verify.as_view()),
    path("lock", payments_v2.Locks.as_view()),
    path("lock/<uuid:hold_id>", payments_v2.Lock.as_view()),
    path("settle", payments_v2.Settle.as_view()),
    path("delegate", payments_v2.Delegate.as_view()),
]
"""The words of Robutler 2.0, under /api/payments/."""
