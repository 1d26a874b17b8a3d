"""Billing's tables. Nobody outside billing imports them."""

from billing.models.account import Account
from billing.models.adjustment import Adjustment
from billing.models.alert import BalanceAlert
from billing.models.bank_claim import BankClaim
from billing.models.budget import Budget, BudgetAlert, BudgetWindow, HoldBudget
from billing.models.charge import Charge
from billing.models.dispute import Dispute
from billing.models.gateway_event import GatewayEvent
from billing.models.grant import Grant, GrantBurn, GrantCursor
from billing.models.hold import Hold
from billing.models.outbox import Delivery, OutboxEvent
from billing.models.payment_token import PaymentToken
from billing.models.payout import Payout, PayoutAccount, PayoutBatch
from billing.models.price import PriceAcceptance, PriceItem, PriceList, PriceVersion
from billing.models.reconciliation import Discrepancy, InvariantRun, Reconciliation, Seal
from billing.models.refund import Refund
from billing.models.rollup import JournalHour, UsageHour, Watermark
from billing.models.settlement import Settlement
from billing.models.statement import Statement, StatementFile
from billing.models.top_up import TopUp
from billing.models.transfer import Transfer, TransferGroup
from billing.models.usage_line import UsageLine
from billing.models.webhook import WebhookEndpoint

__all__ = [
    "Account", "Adjustment", "BalanceAlert", "BankClaim", "Budget", "BudgetAlert", "BudgetWindow", "Charge", "Delivery",
    "Discrepancy", "Dispute", "GatewayEvent", "Grant", "GrantBurn", "GrantCursor", "Hold", "HoldBudget", "InvariantRun",
    "JournalHour", "OutboxEvent", "PaymentToken", "Payout", "PayoutAccount", "PayoutBatch", "PriceAcceptance",
    "PriceItem", "PriceList", "PriceVersion", "Reconciliation", "Refund", "Seal", "Settlement", "Statement",
    "StatementFile", "TopUp", "Transfer", "TransferGroup", "UsageHour", "UsageLine", "Watermark", "WebhookEndpoint",
]  # fmt: skip
