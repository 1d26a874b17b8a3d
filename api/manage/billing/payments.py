"""/api/v1/billing/topups and /webhooks/stripe: an organization pays, and the payment company tells that it has."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.manage.billing.moves import TopUpShown
from api.manage.pages import PageAsked, page
from api.manage.views import ManageView, PublicView
from billing import history, payments


class TopUpAsked(serializers.Serializer[Any]):
    """How much is to be paid."""

    id = serializers.UUIDField(help_text="Chosen by you: sent again, it is the same payment.")
    amount_usd = serializers.JSONField(help_text='Dollars as text, such as "25" or "25.50".')
    currency = serializers.CharField(default="USD", max_length=8)


class TopUps(ManageView):
    """Money that came into the organization's wallet, or is to come."""

    def get(self, request: Request) -> Response:
        """The latest first."""
        asked = self.asked(PageAsked)
        found = history.top_ups_page(self.caller.organization_id, after=asked.get("after"), limit=asked["limit"])
        return page([TopUpShown(row).data for row in found.rows], has_more=found.has_more)

    def post(self, request: Request) -> Response:
        """Begin a payment; whoever pays it goes to `payment_url`."""
        asked = self.sent(TopUpAsked)
        begun = payments.begin(
            id=asked["id"],
            organization_id=self.caller.organization_id,
            amount=asked["amount_usd"],
            currency=asked["currency"],
            return_url=request.build_absolute_uri("/console/"),
            actor=self.actor,
        )
        shown = {"id": str(begun.id), "object": "topup", "status": begun.state, "payment_url": begun.page_url or None}
        return Response(shown, status=201)


class StripeEvents(PublicView):
    """Where Stripe tells what became of payments. Its signature over the bytes is all that is believed."""

    def post(self, request: Request) -> Response:
        """Act upon a message, once."""
        outcome = payments.receive(request._request.body, signature=request.headers.get("Stripe-Signature", ""))
        return Response({"object": "event", "status": outcome})
