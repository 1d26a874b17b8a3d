"""Which page shows which model on which of the two sites; the site itself is put together elsewhere."""

from billing.admin.bank_claims import StaffBankClaimAdmin
from billing.admin.budgets import MemberBudgetAdmin, StaffBudgetAdmin
from billing.admin.disputes import MemberDisputeAdmin, StaffDisputeAdmin
from billing.admin.journal import (
    MemberTransferAdmin,
    StaffChargeAdmin,
    StaffHoldAdmin,
    StaffSettlementAdmin,
    StaffTransferAdmin,
)
from billing.admin.keys import MemberPayingKeyAdmin
from billing.admin.moves import StaffAdjustmentAdmin, StaffGrantAdmin, StaffRefundAdmin, StaffTopUpAdmin
from billing.admin.organizations import StaffPayerAdmin
from billing.admin.payment_tokens import MemberPaymentTokenAdmin, StaffPaymentTokenAdmin
from billing.admin.payouts import MemberPayoutAdmin, StaffPayoutAccountAdmin, StaffPayoutAdmin, StaffPayoutBatchAdmin
from billing.admin.prices import StaffPriceItemAdmin, StaffPriceVersionAdmin
from billing.admin.reconciliation import StaffDiscrepancyAdmin, StaffReconciliationAdmin
from billing.admin.statements import MemberStatementAdmin, StaffStatementAdmin
from billing.admin.wallets import MemberWalletAdmin, StaffAccountAdmin
from billing.models import (
    Account,
    Adjustment,
    BankClaim,
    Budget,
    Charge,
    Discrepancy,
    Dispute,
    Grant,
    Hold,
    PaymentToken,
    Payout,
    PayoutAccount,
    PayoutBatch,
    PriceItem,
    PriceVersion,
    Reconciliation,
    Refund,
    Settlement,
    Statement,
    TopUp,
    Transfer,
)
from tenants.models import ApiKey, Organization

MEMBER_PAGES = (
    (Account, MemberWalletAdmin),
    (Transfer, MemberTransferAdmin),
    (ApiKey, MemberPayingKeyAdmin),
    (Budget, MemberBudgetAdmin),
    (Dispute, MemberDisputeAdmin),
    (PaymentToken, MemberPaymentTokenAdmin),
    (Payout, MemberPayoutAdmin),
    (Statement, MemberStatementAdmin),
)
STAFF_PAGES = (
    (Organization, StaffPayerAdmin),
    (Account, StaffAccountAdmin),
    (Transfer, StaffTransferAdmin),
    (Charge, StaffChargeAdmin),
    (Hold, StaffHoldAdmin),
    (Settlement, StaffSettlementAdmin),
    (TopUp, StaffTopUpAdmin),
    (BankClaim, StaffBankClaimAdmin),
    (PayoutBatch, StaffPayoutBatchAdmin),
    (Payout, StaffPayoutAdmin),
    (PayoutAccount, StaffPayoutAccountAdmin),
    (Statement, StaffStatementAdmin),
    (Grant, StaffGrantAdmin),
    (Dispute, StaffDisputeAdmin),
    (Refund, StaffRefundAdmin),
    (Adjustment, StaffAdjustmentAdmin),
    (Budget, StaffBudgetAdmin),
    (PaymentToken, StaffPaymentTokenAdmin),
    (Reconciliation, StaffReconciliationAdmin),
    (Discrepancy, StaffDiscrepancyAdmin),
    (PriceVersion, StaffPriceVersionAdmin),
    (PriceItem, StaffPriceItemAdmin),
)
