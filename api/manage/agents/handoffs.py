"""/api/v1/agents/handoffs: how often conversations were passed on, to whom, and how that went."""

from datetime import UTC, datetime, timedelta
from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from agents.services.handoff_statistics import passed_on
from api.manage.views import ManageView
from tenants.permissions import AGENTS_READ

LONGEST = timedelta(days=366)


class SpanAsked(serializers.Serializer[Any]):
    """Which time is meant; the last 30 days if nothing is said."""

    since = serializers.DateTimeField(required=False)
    until = serializers.DateTimeField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """A beginning before its end, and not too much in between."""
        until: datetime = attrs.get("until") or datetime.now(UTC)
        since: datetime = attrs.get("since") or until - timedelta(days=30)
        if not timedelta(0) < until - since <= LONGEST:
            raise serializers.ValidationError("'since' has to be before 'until', by 366 days at most.")
        return {"since": since, "until": until}


class PassedShown(serializers.Serializer[Any]):
    """A pair of agents."""

    giver = serializers.CharField()
    receiver = serializers.CharField()
    count = serializers.IntegerField()
    succeeded = serializers.IntegerField()
    mean_s = serializers.FloatField(allow_null=True)


class Handoffs(ManageView):
    """Handoffs to the organization's agents."""

    reads = AGENTS_READ
    writes = None

    def get(self, request: Request) -> Response:
        """Pairs of agents, the busiest first."""
        asked = self.asked(SpanAsked)
        pairs = passed_on(since=asked["since"], until=asked["until"])
        return Response({"object": "list", "data": [dict(PassedShown(pair).data) for pair in pairs]})
