"""/api/v1/billing/disputes: an organization does not agree with a charge, and reads what was decided."""

from typing import Any, get_args
from uuid import UUID

from django.http import Http404
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.manage.amounts import NanosField, UsdField
from api.manage.pages import PageAsked, page
from api.manage.views import ManageView, StaffView
from billing import disputes, history
from tenants.models import User


class DisputesAsked(PageAsked):
    """Which disputes to list."""

    status = serializers.ChoiceField(get_args(disputes.State), required=False)


class DisputeAsked(serializers.Serializer[Any]):
    """What is wrong with which charge."""

    id = serializers.UUIDField(help_text="Chosen by you: sent again, it is the same dispute.")
    charge_id = serializers.UUIDField()
    reason = serializers.ChoiceField(get_args(disputes.Reason))
    note = serializers.CharField(required=False, default="", allow_blank=True, max_length=500, source="remark")


class DisputeShown(serializers.Serializer[Any]):
    """A dispute, and how it was decided."""

    id = serializers.UUIDField()
    object = serializers.CharField(default="dispute", read_only=True)
    charge_id = serializers.UUIDField(source="settlement.hold.charge_id")
    run_id = serializers.UUIDField(source="settlement.hold.charge.run_id")
    reason = serializers.CharField()
    note = serializers.CharField()
    status = serializers.CharField(source="state")
    answer = serializers.CharField()
    refunded_nanos = NanosField(source="refunded")
    refunded_usd = UsdField(source="refunded")
    opened_at = serializers.DateTimeField()
    decided_at = serializers.DateTimeField(allow_null=True)


class RejectionAsked(serializers.Serializer[Any]):
    """Why nothing is given back."""

    answer = serializers.CharField(max_length=500)


class Disputes(ManageView):
    """Charges that the organization does not agree with."""

    def get(self, request: Request) -> Response:
        """The latest first."""
        asked = self.asked(DisputesAsked)
        found = history.disputes_page(
            self.caller.organization_id, state=asked.get("status"), after=asked.get("after"), limit=asked["limit"]
        )
        return page([DisputeShown(row).data for row in found.rows], has_more=found.has_more)

    def post(self, request: Request) -> Response:
        """Dispute a charge; staff decides."""
        row = disputes.open_dispute(
            organization_id=self.caller.organization_id,
            actor=str(request.user) if isinstance(request.user, User) else f"key {self.caller.key_id}",
            **self.sent(DisputeAsked),
        )
        return Response(DisputeShown(row).data, status=201)


class Dispute(ManageView):
    """One dispute."""

    def get(self, request: Request, dispute_id: UUID) -> Response:
        """The dispute with this id."""
        row = disputes.disputes(organization_id=self.caller.organization_id).filter(pk=dispute_id).first()
        if row is None:
            raise Http404
        return Response(DisputeShown(row).data)


class Rejection(StaffView):
    """Staff's no. A yes is a refund of the charge, under `refunds`."""

    def post(self, request: Request, dispute_id: UUID) -> Response:
        """Say it, once."""
        disputes.reject(id=dispute_id, **self.sent(RejectionAsked), actor=str(self.person))
        return Response({"id": str(dispute_id), "object": "dispute", "status": "rejected"})
