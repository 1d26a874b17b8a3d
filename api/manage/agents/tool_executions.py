"""/api/v1/tool-executions: calls of tools that workers carry out."""

from typing import Any
from uuid import UUID

from django.http import Http404
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from agents.services import tool_executions
from api.manage.pages import PageAsked, page
from api.manage.views import ManageView
from tenants.permissions import AGENTS_WRITE


class ToolExecutionsAsked(PageAsked):
    """Which to list."""

    status = serializers.ChoiceField(tool_executions.STATES, required=False)


class ToolExecutionShown(serializers.Serializer[Any]):
    """A call of a tool on a worker. `content` is what it returned, `error` why it did not; kept for some days."""

    id = serializers.UUIDField()
    object = serializers.CharField(default="tool_execution", read_only=True)
    agent = serializers.CharField(source="agent_slug")
    run_id = serializers.UUIDField()
    tool = serializers.CharField()
    arguments = serializers.CharField()
    status = serializers.CharField(source="state")
    done = serializers.FloatField(allow_null=True)
    total = serializers.FloatField(allow_null=True)
    note = serializers.CharField()
    content = serializers.JSONField(allow_null=True)
    error = serializers.CharField()
    queued_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)


class ToolExecutions(ManageView):
    """What workers do, or did, for the organization's runs."""

    reads = AGENTS_WRITE

    def get(self, request: Request) -> Response:
        """The latest first."""
        asked = self.asked(ToolExecutionsAsked)
        found, has_more = tool_executions.page(
            state=asked.get("status"), after=asked.get("after"), limit=asked["limit"]
        )
        return page([dict(ToolExecutionShown(row).data) for row in found], has_more=has_more)


class ToolExecution(ManageView):
    """One of them."""

    reads = AGENTS_WRITE

    def get(self, request: Request, execution_id: UUID) -> Response:
        """The call with this id."""
        row = tool_executions.find(execution_id)
        if row is None:
            raise Http404
        return Response(ToolExecutionShown(row).data)


class Cancellation(ManageView):
    """An end that somebody puts to it."""

    writes = AGENTS_WRITE

    def post(self, request: Request, execution_id: UUID) -> Response:
        """Cancel it; the run that waits is told."""
        return Response(ToolExecutionShown(tool_executions.cancel(execution_id)).data)
