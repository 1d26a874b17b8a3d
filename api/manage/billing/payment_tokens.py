"""/api/v1/billing/payment-tokens: capped, expiring permits to spend; made, passed on, looked at and ended."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from agents.services import payment_tokens
from agents.services.payment_tokens import Wanted
from api.manage.amounts import NanosAskedField, NanosField, UsdField
from api.manage.pages import PageAsked, page
from api.manage.views import ManageView
from api.payment import HEADER
from billing import tokens
from billing.errors import TokenRequired
from billing.tokens import Minted, Permit
from tenants.errors import PermissionMissing
from tenants.ids import uuid7
from tenants.permissions import BILLING_READ, TOKENS_WRITE
from tenants.secret import Secret

STATES = ("active", "exhausted", "early", "expired", "revoked", "closed", "suspended")
MOST_SECONDS = 366 * 86_400


class PermitShown(serializers.Serializer[Any]):
    """What whoever holds a token may know of it."""

    id = serializers.UUIDField()
    object = serializers.CharField(default="payment_token", read_only=True)
    prefix = serializers.CharField(help_text="How its text begins.")
    status = serializers.ChoiceField(STATES, source="shown_state")
    cap_nanos = NanosField()
    cap_usd = UsdField(source="cap_nanos")
    available_nanos = NanosField()
    available_usd = UsdField(source="available_nanos")
    max_per_call_nanos = NanosField(allow_null=True)
    audience = serializers.ListField(
        child=serializers.CharField(), source="audience_names", help_text="The only agents that it pays; null for all."
    )
    redelegate = serializers.BooleanField(help_text="Whether it may have children.")
    depth = serializers.IntegerField(help_text="How many tokens stand above it.")
    not_before = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()


class TokenShown(PermitShown):
    """What the organization that pays sees besides."""

    name = serializers.CharField()
    parent_id = serializers.UUIDField(allow_null=True)
    root_id = serializers.UUIDField()
    funded = serializers.BooleanField(source="is_funded", help_text="Whether its cap is set aside already.")
    held_nanos = NanosField(help_text="What its uses and its children have reserved.")
    held_usd = UsdField(source="held_nanos")
    spent_nanos = NanosField()
    spent_usd = UsdField(source="spent_nanos")


class TokenAsked(serializers.Serializer[Any]):
    """A token to be made."""

    id = serializers.UUIDField(required=False, help_text="Chosen by you: sent again, it makes no second token.")
    cap_nanos = NanosAskedField(help_text="The most that it pays in all.")
    expires_in_s = serializers.IntegerField(min_value=1, max_value=MOST_SECONDS, required=False)
    starts_in_s = serializers.IntegerField(min_value=0, max_value=MOST_SECONDS, default=0)
    max_per_call_nanos = NanosAskedField(required=False, help_text="The most that it pays for one request.")
    audience = serializers.ListField(
        child=serializers.CharField(max_length=160), required=False, min_length=1, max_length=tokens.MOST_AGENTS
    )
    redelegate = serializers.BooleanField(default=False)
    name = serializers.CharField(max_length=100, default="", allow_blank=True)


class TokensAsked(PageAsked):
    """Which tokens to list."""

    status = serializers.ChoiceField(("active", "revoked", "expired", "closed"), required=False)
    parent_id = serializers.UUIDField(required=False)


class TextAsked(serializers.Serializer[Any]):
    """A token by its text."""

    token = serializers.CharField(max_length=200, trim_whitespace=False)


class PaymentTokens(ManageView):
    """The organization's payment tokens."""

    reads = None
    writes = TOKENS_WRITE

    def get(self, request: Request) -> Response:
        """The latest first."""
        _require_sight(self)
        asked = self.asked(TokensAsked)
        found, has_more = tokens.page(
            after=asked.get("after"), limit=asked["limit"], parent_id=asked.get("parent_id"), status=asked.get("status")
        )
        return page([shown(permit) for permit in found], has_more=has_more)

    def post(self, request: Request) -> Response:
        """Make one over the organization's own money. Its text is in this answer, and nowhere else ever again."""
        asked = self.sent(TokenAsked)
        return made(payment_tokens.mint(self.caller, id=asked.get("id") or uuid7(), wanted=wanted(asked)))


class PaymentToken(ManageView):
    """One of them."""

    reads = None

    def get(self, request: Request, token_id: UUID) -> Response:
        """What it allows, and what is left."""
        _require_sight(self)
        return Response(shown(tokens.permit_of(token_id)))


class Delegate(ManageView):
    """Children of a token."""

    writes = None

    def post(self, request: Request, token_id: UUID) -> Response:
        """Make one, for whoever holds the parent's text, and for who may make tokens of the organization that pays."""
        parent = payment_tokens.held_or_own(self.caller, token_id, held=held(request))
        asked = self.sent(TokenAsked)
        made_ = payment_tokens.delegate(self.caller, id=asked.get("id") or uuid7(), parent=parent, wanted=wanted(asked))
        return made(made_, is_own=parent.organization_id == self.caller.organization_id)


class Revoke(ManageView):
    """The end of a token."""

    writes = None

    def post(self, request: Request, token_id: UUID) -> Response:
        """End it and all below it; what they pay for is stopped within seconds."""
        permit = payment_tokens.revoke(self.caller, token_id, held=held(request))
        return Response(shown(permit, is_own=permit.organization_id == self.caller.organization_id))


class Introspect(ManageView):
    """A token, for whoever holds it."""

    reads = None
    writes = None

    def get(self, request: Request) -> Response:
        """What the token in the header allows, and what is left of it."""
        token = held(request)
        if token is None:
            raise TokenRequired
        return Response(self._shown(token))

    def post(self, request: Request) -> Response:
        """The same of the token in the body."""
        return Response(self._shown(Secret(self.sent(TextAsked)["token"])))

    def _shown(self, token: Secret) -> dict[str, Any]:
        permit = tokens.recognise(token.reveal())
        if permit.state == "suspended":
            permit.require_active()
        return {**shown(permit, is_own=False), "active": permit.state == "active"}


def held(request: Request) -> Secret | None:
    """The token in the request's header."""
    text = request.headers.get(HEADER)
    return None if text is None else Secret(text)


def shown(permit: Permit, *, is_own: bool = True) -> dict[str, Any]:
    """A token as it is told: to the organization that pays, or to somebody who was handed it."""
    return dict((TokenShown if is_own else PermitShown)(permit).data)


def made(minted: Minted, *, is_own: bool = True) -> Response:
    """A token that was just made, with its text; without it, when it was made before."""
    text = None if minted.secret is None else minted.secret.reveal()
    response = Response({**shown(minted.permit, is_own=is_own), "token": text}, status=201 if text else 200)
    response["Cache-Control"] = "no-store"
    return response


def wanted(asked: dict[str, Any]) -> Wanted:
    """The token that a body asks for."""
    lifetime = asked.get("expires_in_s")
    return Wanted(
        cap_nanos=asked["cap_nanos"],
        lifetime=None if lifetime is None else timedelta(seconds=lifetime),
        starts_in=timedelta(seconds=asked["starts_in_s"]),
        max_per_call_nanos=asked.get("max_per_call_nanos"),
        audience=asked.get("audience"),
        redelegate=asked["redelegate"],
        name=asked["name"],
    )


def _require_sight(view: ManageView) -> None:
    if not (view.caller.may(BILLING_READ) or view.caller.may(TOKENS_WRITE)):
        raise PermissionMissing(f"This API key lacks the permission {BILLING_READ} or {TOKENS_WRITE}.")
