"""/api/v1/billing/webhook-endpoints, /balance-alert: where an organization hears of its money, when it is warned."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.manage.amounts import DollarsField
from api.manage.pages import PageAsked, page
from api.manage.views import ManageView
from api.openai.amounts import usd
from billing import alerts, webhooks

HOURS = 24


class EndpointShown(serializers.Serializer[Any]):
    """An endpoint. Its secret is shown once, when it is made."""

    id = serializers.UUIDField()
    object = serializers.CharField(default="webhook_endpoint", read_only=True)
    url = serializers.CharField()
    description = serializers.CharField()
    topics = serializers.ListField(child=serializers.CharField())
    active = serializers.BooleanField()
    created_at = serializers.DateTimeField()


class EndpointAsked(serializers.Serializer[Any]):
    """What a new endpoint is to be."""

    url = serializers.CharField(max_length=500)
    topics = serializers.ListField(child=serializers.CharField(max_length=32), max_length=len(webhooks.TOPICS))
    description = serializers.CharField(max_length=200, required=False, allow_blank=True, default="")


class EndpointChange(serializers.Serializer[Any]):
    """What is to change about one."""

    url = serializers.CharField(max_length=500, required=False)
    topics = serializers.ListField(
        child=serializers.CharField(max_length=32), max_length=len(webhooks.TOPICS), required=False
    )
    description = serializers.CharField(max_length=200, required=False, allow_blank=True)
    active = serializers.BooleanField(required=False)


class RotationAsked(serializers.Serializer[Any]):
    """For how many hours the secret before signs as well."""

    overlap_hours = serializers.IntegerField(min_value=0, max_value=7 * HOURS, default=HOURS)


class DeliveryShown(serializers.Serializer[Any]):
    """An event on its way to an endpoint."""

    id = serializers.UUIDField()
    object = serializers.CharField(default="webhook_delivery", read_only=True)
    topic = serializers.CharField(source="event.topic")
    state = serializers.CharField()
    attempts = serializers.IntegerField()
    answer = serializers.CharField()
    next_attempt_at = serializers.DateTimeField()
    delivered_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


class AlertAsked(serializers.Serializer[Any]):
    """Below which balance to warn; null for not at all."""

    below_usd = DollarsField(allow_null=True)


class Endpoints(ManageView):
    """The organization's endpoints."""

    def get(self, request: Request) -> Response:
        """All of them, the oldest first."""
        return page([EndpointShown(row).data for row in webhooks.endpoints()], has_more=False)

    def post(self, request: Request) -> Response:
        """Add one; its secret is in this answer and in no other."""
        row, secret = webhooks.add_endpoint(**self.sent(EndpointAsked))
        shown = {**EndpointShown(row).data, "secret": secret.reveal()}
        return Response(shown, status=201, headers={"Cache-Control": "no-store"})


class Endpoint(ManageView):
    """One endpoint."""

    def get(self, request: Request, endpoint_id: UUID) -> Response:
        """As it is."""
        return Response(EndpointShown(webhooks.endpoint_of(endpoint_id)).data)

    def patch(self, request: Request, endpoint_id: UUID) -> Response:
        """Change it."""
        changed = webhooks.change_endpoint(webhooks.endpoint_of(endpoint_id), **self.sent(EndpointChange))
        return Response(EndpointShown(changed).data)

    def delete(self, request: Request, endpoint_id: UUID) -> Response:
        """Forget it."""
        webhooks.remove_endpoint(webhooks.endpoint_of(endpoint_id))
        return Response(status=204)


class Rotation(ManageView):
    """A new secret for an endpoint."""

    def post(self, request: Request, endpoint_id: UUID) -> Response:
        """Make one; both sign for a while, so that no message is refused meanwhile."""
        overlap = timedelta(hours=self.sent(RotationAsked)["overlap_hours"])
        secret = webhooks.rotate_secret(webhooks.endpoint_of(endpoint_id), overlap=overlap)
        return Response({"secret": secret.reveal()}, headers={"Cache-Control": "no-store"})


class Deliveries(ManageView):
    """What went to an endpoint."""

    def get(self, request: Request, endpoint_id: UUID) -> Response:
        """The latest first."""
        asked = self.asked(PageAsked)
        row, limit = webhooks.endpoint_of(endpoint_id), asked["limit"]
        found = webhooks.deliveries_page(row, after=asked.get("after"), limit=limit)
        return page([DeliveryShown(each).data for each in found[:limit]], has_more=len(found) > limit)


class BalanceAlert(ManageView):
    """When the organization is warned of its balance."""

    def get(self, request: Request) -> Response:
        """Below which balance."""
        return Response(_alert(alerts.balance_alert()))

    def put(self, request: Request) -> Response:
        """Warn below another one."""
        below = self.sent(AlertAsked)["below_usd"]
        alerts.set_balance_alert(below)
        return Response(_alert(below))


def _alert(below: int | None) -> dict[str, Any]:
    return {
        "object": "balance_alert",
        "below_nanos": None if below is None else str(below),
        "below_usd": None if below is None else usd(below),
    }
