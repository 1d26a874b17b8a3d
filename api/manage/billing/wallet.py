"""GET /api/v1/billing/wallet and /holds: what an organization has, and what is reserved of it."""

from typing import Any
from uuid import UUID

from django.http import Http404
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.manage.amounts import NanosField, UsdField
from api.manage.pages import PageAsked, page
from api.manage.views import ManageView
from billing import history, ledger


class WalletShown(serializers.Serializer[Any]):
    """A wallet: what was paid in and not spent, what runs have reserved of it, what is left."""

    object = serializers.CharField(default="wallet", read_only=True)
    posted_nanos = NanosField(source="posted")
    posted_usd = UsdField(source="posted")
    held_nanos = NanosField(source="held")
    held_usd = UsdField(source="held")
    available_nanos = NanosField(source="available")
    available_usd = UsdField(source="available")
    credit_limit_nanos = NanosField(source="credit_limit")
    credit_limit_usd = UsdField(source="credit_limit")
    status = serializers.CharField(read_only=True)


class HoldsAsked(PageAsked):
    """Which holds to list."""

    status = serializers.ChoiceField(("open", "settled", "released", "expired", "late"), required=False)


class HoldShown(serializers.Serializer[Any]):
    """A reservation, made before the work that it pays for."""

    id = serializers.UUIDField()
    object = serializers.CharField(default="hold", read_only=True)
    charge_id = serializers.UUIDField()
    run_id = serializers.UUIDField(source="charge.run_id")
    reference = serializers.CharField(source="charge.reference")
    amount_nanos = NanosField(source="amount")
    amount_usd = UsdField(source="amount")
    status = serializers.CharField(source="state")
    opened_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    closed_at = serializers.DateTimeField(allow_null=True)


class Wallet(ManageView):
    """The organization's wallet."""

    def get(self, request: Request) -> Response:
        """What it has."""
        return Response(WalletShown(ledger.balance(self.caller.organization_id)).data)


class Holds(ManageView):
    """What is reserved, and was."""

    def get(self, request: Request) -> Response:
        """The latest first."""
        asked = self.asked(HoldsAsked)
        found = history.holds_page(
            self.caller.organization_id, state=asked.get("status"), after=asked.get("after"), limit=asked["limit"]
        )
        return page([HoldShown(hold).data for hold in found.rows], has_more=found.has_more)


class Hold(ManageView):
    """One hold."""

    def get(self, request: Request, hold_id: UUID) -> Response:
        """The hold with this id."""
        hold = history.hold_of(self.caller.organization_id, hold_id)
        if hold is None:
            raise Http404
        return Response(HoldShown(hold).data)
