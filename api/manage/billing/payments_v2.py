"""/api/payments/…: payment tokens in the words of Robutler 2.0, in dollars, for clients that speak them."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from rest_framework import serializers
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser
from rest_framework.request import Request
from rest_framework.response import Response

from agents.services import payment_tokens
from agents.services.payment_tokens import Wanted
from api.manage.amounts import DollarsField
from api.manage.views import ManageView
from api.openai.amounts import usd
from billing import tokens
from billing.errors import TokenRefused
from billing.token_holds import DEFAULT_SECONDS
from tenants.ids import uuid7
from tenants.permissions import CHAT_WRITE
from tenants.secret import Secret

MOST_SECONDS = 86_400


class Number(str):
    """A number exactly as it was written: read as a floating point number it would be another amount."""

    __slots__ = ()


class WrittenNumbers(JSONParser):
    """JSON whose numbers stay as they were written."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        """The body; numbers are told by their text."""
        try:
            return json.loads(
                stream.read(settings.ROBUTLER.body_limit_bytes).decode(),
                parse_float=Number,
                parse_int=Number,
                parse_constant=Number,
            )
        except (ValueError, RecursionError) as error:
            raise ParseError from error


class TextAsked(serializers.Serializer[Any]):
    """A token."""

    token = serializers.CharField(max_length=200, trim_whitespace=False)


class LockAsked(TextAsked):
    """What is to be locked of a token."""

    amount = DollarsField()
    lockId = serializers.UUIDField(required=False)  # noqa: N815 - the client's own word
    ttl = serializers.IntegerField(min_value=1, max_value=MOST_SECONDS, default=DEFAULT_SECONDS)
    description = serializers.CharField(max_length=200, default="", allow_blank=True)
    agent = serializers.CharField(max_length=160, required=False)


class ExtensionAsked(serializers.Serializer[Any]):
    """The new total of a lock."""

    amount = DollarsField()
    ttl = serializers.IntegerField(min_value=1, max_value=MOST_SECONDS, required=False)


class SettlementAsked(serializers.Serializer[Any]):
    """What a lock came to."""

    lockId = serializers.UUIDField()  # noqa: N815 - the client's own word
    amount = DollarsField(zero=True)
    description = serializers.CharField(max_length=200, default="", allow_blank=True)
    chargeType = serializers.CharField(max_length=64, default="", allow_blank=True)  # noqa: N815
    release = serializers.BooleanField(default=True)

    def validate(self, asked: dict[str, Any]) -> dict[str, Any]:
        """A lock is taken once: one that is to live on is refused, so that nobody works on without it."""
        if not asked["release"]:
            raise serializers.ValidationError({"release": "A lock ends when it is settled. Lock again for more."})
        return asked


class DelegationAsked(serializers.Serializer[Any]):
    """A child of a token, for an agent."""

    parentToken = serializers.CharField(max_length=200, trim_whitespace=False)  # noqa: N815
    delegateTo = serializers.CharField(max_length=160)  # noqa: N815
    amount = DollarsField()
    expiresIn = serializers.IntegerField(min_value=1, max_value=366 * 86_400, required=False)  # noqa: N815
    redelegate = serializers.BooleanField(default=False)


class _View(ManageView):
    """Whoever holds a token, with a key that may use it."""

    writes = CHAT_WRITE
    parser_classes = (WrittenNumbers,)


class Verify(_View):
    """Whether a token is good."""

    def post(self, request: Request) -> Response:
        """What is left of it; of one that does not pay, why."""
        try:
            permit = tokens.recognise(self.sent(TextAsked)["token"])
            permit.require_active()
        except TokenRefused as refused:
            return Response({"valid": False, "error": str(refused)})
        return Response(
            {
                "valid": True,
                "tokenId": str(permit.id),
                "balanceDollars": usd(permit.available_nanos),
                "balanceCredits": usd(permit.available_nanos),
                "expiresAt": permit.expires_at,
                "maxDepth": settings.ROBUTLER.payment_token_depth - permit.depth if permit.redelegate else 0,
            }
        )


class Locks(_View):
    """Locks on tokens."""

    def post(self, request: Request) -> Response:
        """Lock an amount of a token."""
        asked = self.sent(LockAsked)
        use = payment_tokens.reserve(
            self.caller,
            id=asked.get("lockId") or uuid7(),
            token=Secret(asked["token"]),
            amount_nanos=asked["amount"],
            seconds=asked["ttl"],
            reference=asked["description"] or self.caller.organization_slug,
            agent=asked.get("agent"),
        )
        return Response(
            {"lockId": str(use.id), "lockedAmountDollars": usd(use.amount_nanos), "expiresAt": use.expires_at}
        )


class Lock(_View):
    """One lock."""

    def patch(self, request: Request, hold_id: UUID) -> Response:
        """Let it grow to a new total."""
        asked = self.sent(ExtensionAsked)
        use = payment_tokens.extend(self.caller, id=hold_id, amount_nanos=asked["amount"], seconds=asked.get("ttl"))
        return Response(
            {"success": True, "lockId": str(use.id), "lockedAmountDollars": usd(use.amount_nanos),
             "expiresAt": use.expires_at}
        )  # fmt: skip


class Settle(_View):
    """The end of a lock."""

    def post(self, request: Request) -> Response:
        """Charge at most what is locked, once; the rest is free again."""
        asked = self.sent(SettlementAsked)
        use = payment_tokens.capture(
            self.caller,
            id=asked["lockId"],
            amount_nanos=asked["amount"],
            reference=asked["description"] or self.caller.organization_slug,
        )
        charged = use.charged_nanos or 0
        return Response(
            {
                "success": True,
                "lockId": str(use.id),
                "chargedDollars": usd(charged),
                "remainingDollars": usd(use.amount_nanos - charged),
            }
        )


class Delegate(_View):
    """Children of a token."""

    def post(self, request: Request) -> Response:
        """Make one for an agent; whoever holds the parent may."""
        asked = self.sent(DelegationAsked)
        parent = tokens.recognise(asked["parentToken"])
        wanted = Wanted(
            cap_nanos=asked["amount"],
            lifetime=timedelta(seconds=asked["expiresIn"]) if "expiresIn" in asked else None,
            audience=[asked["delegateTo"].removeprefix("@")],
            redelegate=asked["redelegate"],
        )
        made = payment_tokens.delegate(self.caller, id=uuid7(), parent=parent, wanted=wanted)
        assert made.secret is not None
        response = Response(
            {
                "token": made.secret.reveal(),
                "tokenId": str(made.permit.id),
                "amountDollars": usd(made.permit.cap_nanos),
                "amountCredits": usd(made.permit.cap_nanos),
                "expiresAt": made.permit.expires_at,
            }
        )
        response["Cache-Control"] = "no-store"
        return response
