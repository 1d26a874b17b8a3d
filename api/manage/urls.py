"""The addresses of the management API, under /api/v1/."""

from django.urls import URLPattern, path

from api.manage.billing import charges, price_versions, prices, transactions, wallet, webhooks

urlpatterns: list[URLPattern] = [
    path("billing/wallet", wallet.Wallet.as_view()),
    path("billing/holds", wallet.Holds.as_view()),
    path("billing/holds/<uuid:hold_id>", wallet.Hold.as_view()),
    path("billing/charges", charges.Charges.as_view()),
    path("billing/charges/<uuid:charge_id>", charges.Charge.as_view()),
    path("billing/prices", prices.Prices.as_view()),
    path("billing/prices/<path:sku>", prices.Price.as_view()),
    path("billing/agents/<path:address>/pricing", prices.AgentPricing.as_view()),
    path("billing/transactions", transactions.Transactions.as_view()),
    path("billing/transactions/<int:transaction_id>", transactions.Transaction.as_view()),
    path("admin/billing/price-versions", price_versions.PriceVersions.as_view()),
    path("admin/billing/price-versions/<int:version_id>", price_versions.PriceVersion.as_view()),
    path("admin/billing/price-versions/<int:version_id>/publish", price_versions.PricePublication.as_view()),
    path("billing/webhook-endpoints", webhooks.Endpoints.as_view()),
    path("billing/webhook-endpoints/<uuid:endpoint_id>", webhooks.Endpoint.as_view()),
    path("billing/webhook-endpoints/<uuid:endpoint_id>/rotate-secret", webhooks.Rotation.as_view()),
    path("billing/webhook-endpoints/<uuid:endpoint_id>/deliveries", webhooks.Deliveries.as_view()),
    path("billing/balance-alert", webhooks.BalanceAlert.as_view()),
]
