"""/api/v1/admin/billing/payout-batches, /payouts: paying creators, calculated by one person, approved by another."""

from typing import Any, Literal
from uuid import UUID

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.manage.amounts import NanosField, UsdField
from api.manage.pages import page
from api.manage.views import StaffView
from billing import payouts


class BatchShown(serializers.Serializer[Any]):
    """The payouts of a month."""

    id = serializers.UUIDField()
    object = serializers.CharField(default="payout_batch", read_only=True)
    period = serializers.CharField()
    rail = serializers.CharField()
    status = serializers.CharField(source="state")
    payouts = serializers.IntegerField(source="count")
    total_nanos = NanosField(source="total")
    total_usd = UsdField(source="total")
    calculated_by = serializers.CharField()
    calculated_at = serializers.DateTimeField()
    approved_by = serializers.CharField()
    approved_at = serializers.DateTimeField(allow_null=True)


class ReasonAsked(serializers.Serializer[Any]):
    """Why."""

    reason = serializers.CharField(max_length=200)


class BatchAsked(ReasonAsked):
    """A month to be calculated."""

    id = serializers.UUIDField(help_text="Chosen by you: sent again, it calculates nothing more.")
    period = serializers.RegexField(r"^[0-9]{4}-(?:0[1-9]|1[0-2])$", help_text="A month, such as 2026-11.")


class RetryAsked(ReasonAsked):
    """Which attempt is to follow the one that failed."""

    attempt = serializers.IntegerField(min_value=1)


class Batches(StaffView):
    """All of them."""

    def get(self, request: Request) -> Response:
        """The latest first."""
        return page([BatchShown(row).data for row in payouts.batches()[:200]], has_more=False)

    def post(self, request: Request) -> Response:
        """Calculate the payouts of a month; nothing moves before somebody else approves."""
        asked = self.sent(BatchAsked)
        payouts.calculate(**asked, actor=str(self.person))
        return Response(BatchShown(payouts.batch(asked["id"])).data, status=201)


class Batch(StaffView):
    """One of them."""

    def get(self, request: Request, batch_id: UUID) -> Response:
        """As it is now."""
        return Response(BatchShown(payouts.batch(batch_id)).data)


class BatchStep(StaffView):
    """What is done with one."""

    step: Literal["approve", "cancel", "mark_sent"] = "approve"

    def post(self, request: Request, batch_id: UUID) -> Response:
        """Do it."""
        steps = {"approve": payouts.approve, "cancel": payouts.cancel, "mark_sent": payouts.mark_sent}
        steps[self.step](id=batch_id, actor=str(self.person), reason=self.sent(ReasonAsked)["reason"])
        return Response(BatchShown(payouts.batch(batch_id)).data)


class Retry(StaffView):
    """A payout that failed."""

    def post(self, request: Request, payout_id: UUID) -> Response:
        """Try it again, for the account that the creator has by now."""
        payouts.retry(id=payout_id, actor=str(self.person), **self.sent(RetryAsked))
        return Response({"id": str(payout_id), "object": "payout", "status": payouts.payout(payout_id).state})
