"""/api/v1/approvals: calls of tools that wait for a member's word."""

from typing import Any
from uuid import UUID

from django.http import Http404
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from agents.services import approvals
from api.manage.pages import PageAsked, page
from api.manage.views import ManageView
from tenants.permissions import AGENTS_READ, AGENTS_WRITE


class ApprovalsAsked(PageAsked):
    """Which questions to list."""

    status = serializers.ChoiceField(approvals.STATES, required=False)


class DecisionAsked(serializers.Serializer[Any]):
    """Yes or no."""

    approved = serializers.BooleanField()


class ApprovalShown(serializers.Serializer[Any]):
    """A question: what an agent wants to do, and what was said to it. `arguments` is JSON, cut if it is long."""

    id = serializers.UUIDField()
    object = serializers.CharField(default="approval", read_only=True)
    agent = serializers.CharField(source="agent_slug")
    run_id = serializers.UUIDField()
    tool = serializers.CharField()
    arguments = serializers.CharField()
    reason = serializers.CharField()
    status = serializers.CharField(source="state")
    asked_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    decided_at = serializers.DateTimeField(allow_null=True)


class Approvals(ManageView):
    """What the organization's agents ask their people."""

    reads = AGENTS_READ

    def get(self, request: Request) -> Response:
        """The latest first."""
        asked = self.asked(ApprovalsAsked)
        found, has_more = approvals.page(state=asked.get("status"), after=asked.get("after"), limit=asked["limit"])
        return page([dict(ApprovalShown(row).data) for row in found], has_more=has_more)


class Approval(ManageView):
    """One question."""

    reads = AGENTS_READ

    def get(self, request: Request, approval_id: UUID) -> Response:
        """The question with this id."""
        row = approvals.find(approval_id)
        if row is None:
            raise Http404
        return Response(ApprovalShown(row).data)


class Decision(ManageView):
    """The answer to a question, given once."""

    writes = AGENTS_WRITE

    def post(self, request: Request, approval_id: UUID) -> Response:
        """Approve or decline; the run that waits goes on."""
        decided = approvals.decide(approval_id, **self.sent(DecisionAsked), user_id=self.caller.user_id)
        return Response(ApprovalShown(decided).data)
