"""Billing's tables. Nobody outside billing imports them."""

from billing.models.account import Account
from billing.models.charge import Charge
from billing.models.hold import Hold
from billing.models.payout import Payout, PayoutAccount, PayoutBatch
from billing.models.price import PriceAcceptance, PriceItem, PriceList, PriceVersion
from billing.models.reconciliation import Discrepancy, InvariantRun, Reconciliation, Seal
from billing.models.rollup import JournalHour, UsageHour, Watermark
from billing.models.settlement import Settlement
from billing.models.top_up import TopUp
from billing.models.transfer import Transfer, TransferGroup
from billing.models.usage_line import UsageLine

__all__ = [
    "Account", "Charge", "Discrepancy", "Hold", "InvariantRun", "JournalHour", "Payout", "PayoutAccount",
    "PayoutBatch", "PriceAcceptance", "PriceItem", "PriceList", "PriceVersion", "Reconciliation", "Seal", "Settlement",
    "TopUp", "Transfer", "TransferGroup", "UsageHour", "UsageLine", "Watermark",
]  # fmt: skip
