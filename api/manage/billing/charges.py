"""GET /api/v1/billing/charges: what an organization was asked to pay for, and the bill of each."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.http import Http404
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.manage.pages import PageAsked, page
from api.manage.views import ManageView
from api.openai.amounts import usd
from api.openai.charges import charge_of
from billing import history
from billing.selectors import ChargeLines, charge_and_children


class ChargesAsked(PageAsked):
    """Which charges to list."""


class ChargeShown(serializers.Serializer[Any]):
    """A charge in a list: what for, how far it is, and what it came to."""

    id = serializers.UUIDField()
    object = serializers.CharField(default="charge", read_only=True)
    run_id = serializers.UUIDField()
    kind = serializers.CharField()
    reference = serializers.CharField()
    status = serializers.CharField()
    started_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)


class Charges(ManageView):
    """What the organization was asked to pay for."""

    def get(self, request: Request) -> Response:
        """The latest first."""
        asked = self.asked(ChargesAsked)
        found = history.charges_page(self.caller.organization_id, after=asked.get("after"), limit=asked["limit"])
        return page([_shown(charge) for charge in found.rows], has_more=found.has_more)


class Charge(ManageView):
    """One charge."""

    def get(self, request: Request, charge_id: UUID) -> Response:
        """Its bill: what was held, what it came to, every movement, and the charges that were made within it."""
        family = [charge_of(lines).model_dump(mode="json") for lines in self._family(charge_id)]
        return Response({**family[0], "object": "charge", "children": family[1:]})

    def _family(self, charge_id: UUID) -> Sequence[ChargeLines]:
        found = charge_and_children(self.caller.organization_id, charge_id)
        if not found or found[0].charge.id != charge_id:
            raise Http404
        return found


def _shown(charge: Any) -> dict[str, Any]:
    settlement = getattr(getattr(charge, "hold", None), "settlement", None)
    charged = settlement.charged if settlement else 0
    return {**ChargeShown(charge).data, "charged_nanos": str(charged), "charged_usd": usd(charged)}
