"""/api/v1/admin/billing/payout-batches, /payouts: paying creators, calculated by one person, approved by another."""

from typing import Any, Literal, get_args
from uuid import UUID

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.manage.amounts import NanosAskedField, NanosField, UsdField
from api.manage.pages import PageAsked, page
from api.manage.views import StaffView
from billing import payouts
from billing.payout_rails import Answer, Outcome


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


class AttemptAsked(ReasonAsked):
    """Which attempt at a payout is meant: a word on an earlier one is refused."""

    attempt = serializers.IntegerField(min_value=0, max_value=32_000)


class OutcomeAsked(AttemptAsked):
    """What the bank said."""

    outcome = serializers.ChoiceField(get_args(Outcome))
    code = serializers.CharField(max_length=64, default="", allow_blank=True, help_text="Why it failed or came back.")
    fee_nanos = NanosAskedField(zero=True, default=0)

    def validate(self, attrs: Any) -> Any:
        """What did not arrive says why; only what was paid costs a fee."""
        if attrs["outcome"] in ("failed", "returned") and not attrs["code"]:
            raise serializers.ValidationError({"code": "Say why the money did not arrive."})
        if attrs["outcome"] != "paid" and attrs["fee_nanos"]:
            raise serializers.ValidationError({"fee_nanos": "A fee is booked with what was paid."})
        return attrs


class PayoutShown(serializers.Serializer[Any]):
    """A creator's payout, as staff sees it."""

    id = serializers.UUIDField()
    object = serializers.CharField(default="payout", read_only=True)
    organization_id = serializers.UUIDField()
    period = serializers.CharField()
    rail = serializers.CharField()
    status = serializers.CharField(source="state")
    attempt = serializers.IntegerField(help_text="What `record` and `retry` name.")
    reference = serializers.CharField(source="external_ref", allow_null=True)
    account = serializers.CharField(source="account.label")
    amount_nanos = NanosField(source="amount")
    amount_usd = UsdField(source="amount")
    clawback_nanos = NanosField(source="clawback")
    fee_nanos = NanosField(source="fee")
    failure_code = serializers.CharField()
    sent_at = serializers.DateTimeField(allow_null=True)
    paid_at = serializers.DateTimeField(allow_null=True)


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


class BatchPayouts(StaffView):
    """The payouts of a batch."""

    def get(self, request: Request, batch_id: UUID) -> Response:
        """By their ids."""
        asked = self.asked(PageAsked)
        found, has_more = payouts.payouts_page(batch_id, after=asked.get("after"), limit=asked["limit"])
        return page([PayoutShown(row).data for row in found], has_more=has_more)


class Payout(StaffView):
    """One creator's payout."""

    def get(self, request: Request, payout_id: UUID) -> Response:
        """As it is now."""
        return Response(PayoutShown(payouts.payout(payout_id)).data)


class Record(StaffView):
    """What became of a payout."""

    def post(self, request: Request, payout_id: UUID) -> Response:
        """Book what the bank said, once per attempt."""
        asked = self.sent(OutcomeAsked)
        answer = Answer(outcome=asked["outcome"], fee_nanos=asked["fee_nanos"], code=asked["code"])
        payouts.record(
            id=payout_id, attempt=asked["attempt"], answer=answer, actor=str(self.person), reason=asked["reason"]
        )
        return Response(PayoutShown(payouts.payout(payout_id)).data)


class Retry(StaffView):
    """A payout that failed."""

    def post(self, request: Request, payout_id: UUID) -> Response:
        """Follow the attempt that failed by another, to the account that the creator has by now."""
        payouts.retry(id=payout_id, actor=str(self.person), **self.sent(AttemptAsked))
        return Response(PayoutShown(payouts.payout(payout_id)).data)
