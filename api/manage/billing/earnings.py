"""/api/v1/billing/earnings, /payouts, /payout-account: what an organization's agents earned, and how it is paid out."""

from typing import Any
from uuid import UUID

from django.http import Http404
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.manage.amounts import NanosField, UsdField
from api.manage.pages import PageAsked, page
from api.manage.views import ManageView
from billing import history, payouts
from billing.payout_rails import Destination


class EarningsShown(serializers.Serializer[Any]):
    """What was earned and not paid out, and why some of it waits."""

    object = serializers.CharField(default="earnings", read_only=True)
    balance_nanos = NanosField()
    balance_usd = UsdField(source="balance_nanos")
    held_back_nanos = NanosField(help_text="Too recent to be paid out.")
    clawback_nanos = NanosField(help_text="Owed for refunds; the next payout is lessened by it.")
    reserve_nanos = NanosField(help_text="What new creators leave for a while.")
    payable_nanos = NanosField()
    payable_usd = UsdField(source="payable_nanos")


class PayoutShown(serializers.Serializer[Any]):
    """Money on its way out."""

    id = serializers.UUIDField()
    object = serializers.CharField(default="payout", read_only=True)
    period = serializers.CharField()
    amount_nanos = NanosField(source="amount")
    amount_usd = UsdField(source="amount")
    clawback_nanos = NanosField(source="clawback")
    status = serializers.CharField(source="state")
    failure_code = serializers.CharField()
    account = serializers.CharField(source="account.label")
    created_at = serializers.DateTimeField()
    sent_at = serializers.DateTimeField(allow_null=True)
    paid_at = serializers.DateTimeField(allow_null=True)


class AccountShown(serializers.Serializer[Any]):
    """Where earnings are sent; of its number only the end is told."""

    id = serializers.UUIDField()
    object = serializers.CharField(default="payout_account", read_only=True)
    label = serializers.CharField()  # type: ignore[assignment]  # a word of the contract
    created_at = serializers.DateTimeField()


class AccountAsked(serializers.Serializer[Any]):
    """Where earnings are to be sent."""

    holder = serializers.CharField(max_length=70)
    number = serializers.CharField(max_length=64, help_text="An IBAN, or 4 to 34 letters and digits.")
    bank_code = serializers.CharField(max_length=16, required=False, default="", allow_blank=True)
    country = serializers.CharField(max_length=2, required=False, default="", allow_blank=True)


class Earnings(ManageView):
    """What the organization's agents earned."""

    def get(self, request: Request) -> Response:
        """As it stands now."""
        return Response(EarningsShown(payouts.position(self.caller.organization_id)).data)


class Payouts(ManageView):
    """What was paid out, or is on its way."""

    def get(self, request: Request) -> Response:
        """The latest first."""
        asked = self.asked(PageAsked)
        found = history.payouts_page(self.caller.organization_id, after=asked.get("after"), limit=asked["limit"])
        return page([PayoutShown(row).data for row in found.rows], has_more=found.has_more)


class Payout(ManageView):
    """One payout."""

    def get(self, request: Request, payout_id: UUID) -> Response:
        """The payout with this id."""
        row = payouts.history(self.caller.organization_id).filter(id=payout_id).first()
        if row is None:
            raise Http404
        return Response(PayoutShown(row).data)


class PayoutAccount(ManageView):
    """Where the organization's earnings are sent."""

    def get(self, request: Request) -> Response:
        """The account in use."""
        row = payouts.account_of(self.caller.organization_id)
        if row is None:
            raise Http404
        return Response(AccountShown(row).data)

    def put(self, request: Request) -> Response:
        """Send them there from now on; what is on its way goes where it was going."""
        asked = self.sent(AccountAsked)
        row = payouts.store_account(
            organization_id=self.caller.organization_id,
            destination=Destination(**asked),
            entered_by=self.actor,
        )
        return Response(AccountShown(row).data)
