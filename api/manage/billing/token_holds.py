"""POST /api/v1/billing/holds: what agents and tools elsewhere reserve of a payment token, and take in the end."""

from typing import Any
from uuid import UUID

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from agents.services import payment_tokens
from api.manage.amounts import NanosAskedField, NanosField, UsdField
from api.manage.billing import wallet
from api.manage.billing.payment_tokens import held
from api.manage.views import ManageView
from api.problems import InvalidRequest
from billing.errors import TokenRequired
from billing.token_holds import DEFAULT_SECONDS, Use
from billing.tokens import PREFIX
from tenants.permissions import BILLING_READ, CHAT_WRITE

MOST_SECONDS = 86_400


class UseShown(serializers.Serializer[Any]):
    """What is reserved of a token for somebody's work, and what was taken of it."""

    id = serializers.UUIDField()
    object = serializers.CharField(default="hold", read_only=True)
    amount_nanos = NanosField()
    amount_usd = UsdField(source="amount_nanos")
    status = serializers.CharField(source="state")
    expires_at = serializers.DateTimeField()
    charged_nanos = NanosField(allow_null=True)


class UseAsked(serializers.Serializer[Any]):
    """What is to be reserved."""

    id = serializers.UUIDField(help_text="Chosen by you: sent again, it reserves nothing more.")
    amount_nanos = NanosAskedField()
    expires_in_s = serializers.IntegerField(min_value=1, max_value=MOST_SECONDS, default=DEFAULT_SECONDS)
    reference = serializers.CharField(max_length=200, default="", allow_blank=True, help_text="What it is for.")
    agent = serializers.CharField(max_length=160, required=False, help_text="Which agent of yours does the work.")


class ExtensionAsked(serializers.Serializer[Any]):
    """The new total, and for how long from now."""

    amount_nanos = NanosAskedField(required=False)
    expires_in_s = serializers.IntegerField(min_value=1, max_value=MOST_SECONDS, required=False)


class CaptureAsked(serializers.Serializer[Any]):
    """What the work came to."""

    amount_nanos = NanosAskedField(zero=True)
    reference = serializers.CharField(max_length=200, default="", allow_blank=True)


class Holds(wallet.Holds):
    """What is reserved: on the organization's wallet, to read; of tokens that it was handed, to make."""

    reads = BILLING_READ
    writes = CHAT_WRITE

    def post(self, request: Request) -> Response:
        """Reserve part of the token in the header, for work that this organization does and earns by."""
        token = held(request)
        if token is None:
            raise TokenRequired
        asked = self.sent(UseAsked)
        use = payment_tokens.reserve(
            self.caller,
            id=asked["id"],
            token=token,
            amount_nanos=asked["amount_nanos"],
            seconds=asked["expires_in_s"],
            reference=asked["reference"] or self.caller.organization_slug,
            agent=asked.get("agent"),
        )
        return Response(shown(use), status=201)


class Extend(ManageView):
    """More of it, or for longer."""

    writes = CHAT_WRITE

    def post(self, request: Request, hold_id: UUID) -> Response:
        """Let it grow to a new total, live on, or both."""
        asked = self.sent(ExtensionAsked)
        if not asked:
            raise InvalidRequest("Send 'amount_nanos', 'expires_in_s', or both.", code="missing_required_parameter")
        use = payment_tokens.extend(
            self.caller, id=hold_id, amount_nanos=asked.get("amount_nanos"), seconds=asked.get("expires_in_s")
        )
        return Response(shown(use))


class Capture(ManageView):
    """Its end, for something."""

    writes = CHAT_WRITE

    def post(self, request: Request, hold_id: UUID) -> Response:
        """Take what the work came to, once, at most what is reserved. The platform's fee is part of it."""
        asked = self.sent(CaptureAsked)
        use = payment_tokens.capture(
            self.caller,
            id=hold_id,
            amount_nanos=asked["amount_nanos"],
            reference=asked["reference"] or self.caller.organization_slug,
        )
        return Response(shown(use))


class Release(ManageView):
    """Its end, for nothing."""

    writes = CHAT_WRITE

    def post(self, request: Request, hold_id: UUID) -> Response:
        """Give it back."""
        return Response(shown(payment_tokens.release(self.caller, id=hold_id)))


def shown(use: Use) -> dict[str, Any]:
    """A hold as whoever earns by it is told of it."""
    return {**UseShown(use).data, "payment_token": f"{PREFIX}{use.token_public_id}"}
