"""GET /api/v1/billing/transactions: the journal of one organization."""

from typing import Any
from uuid import UUID

from django.http import Http404
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.manage.amounts import NanosField, UsdField
from api.manage.pages import NumberedPageAsked, page
from api.manage.views import ManageView
from billing import history


class TransactionShown(serializers.Serializer[Any]):
    """Transfers that happened together or not at all."""

    id = serializers.IntegerField(source="group.id")
    object = serializers.CharField(default="transaction", read_only=True)
    kind = serializers.CharField(source="group.kind")
    charge_id = serializers.UUIDField(source="group.charge_id", allow_null=True)
    reverses = serializers.IntegerField(source="group.reverses_id", allow_null=True)
    memo = serializers.CharField(source="group.memo")
    created_at = serializers.DateTimeField(source="group.created_at")


class TransferShown(serializers.Serializer[Any]):
    """One movement from an account to another, as far as it touches the organization's own."""

    line = serializers.IntegerField()
    amount_nanos = NanosField(source="amount")
    amount_usd = UsdField(source="amount")


class Transactions(ManageView):
    """Everything that moved the organization's money."""

    def get(self, request: Request) -> Response:
        """The latest first."""
        asked = self.asked(NumberedPageAsked)
        limit = asked["limit"]
        found = history.transactions_page(self.caller.organization_id, after=asked.get("after"), limit=limit)
        shown = [_shown(each) for each in found[:limit]]
        return page(shown, has_more=len(found) > limit)


class Transaction(ManageView):
    """One of them."""

    def get(self, request: Request, transaction_id: int) -> Response:
        """The transaction with this id, as far as it is the organization's to see."""
        for found in history.transactions(self.caller.organization_id, [transaction_id]):
            return Response(_shown(found))
        raise Http404


def _shown(transaction: history.Transaction) -> dict[str, Any]:
    lines = [
        {
            **TransferShown(line).data,
            "from": _side(transaction, line.debit_id, line.debit_organization_id),
            "to": _side(transaction, line.credit_id, line.credit_organization_id),
        }
        for line in transaction.transfers
    ]
    return {**TransactionShown(transaction).data, "transfers": lines}


def _side(transaction: history.Transaction, account_id: int, organization_id: UUID | None) -> dict[str, Any]:
    """Whose account it is, and of the organization's own which one."""
    if kind := transaction.own.get(account_id):
        return {"owner": "organization", "account": kind}
    return {"owner": "platform" if organization_id is None else "other", "account": None}
