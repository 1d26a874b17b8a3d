"""The addresses of the management API, under /api/v1/."""

from django.urls import URLPattern, path

from api.manage.billing import charges, transactions, wallet

urlpatterns: list[URLPattern] = [
    path("billing/wallet", wallet.Wallet.as_view()),
    path("billing/holds", wallet.Holds.as_view()),
    path("billing/holds/<uuid:hold_id>", wallet.Hold.as_view()),
    path("billing/charges", charges.Charges.as_view()),
    path("billing/charges/<uuid:charge_id>", charges.Charge.as_view()),
    path("billing/transactions", transactions.Transactions.as_view()),
    path("billing/transactions/<int:transaction_id>", transactions.Transaction.as_view()),
]
