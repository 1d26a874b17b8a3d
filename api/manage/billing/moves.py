"""Money in and back: what an organization sees of it, and what staff moves under /api/v1/admin/billing/."""

from collections.abc import Callable
from typing import Any, get_args
from uuid import UUID

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.manage.amounts import NanosAskedField, NanosField, UsdField
from api.manage.pages import page
from api.manage.views import ManageView, StaffView
from billing import grants, refunds, wallets


class TopUpShown(serializers.Serializer[Any]):
    """Money that came in, or is on its way."""

    id = serializers.UUIDField()
    object = serializers.CharField(default="topup", read_only=True)
    amount_nanos = NanosField(source="amount")
    amount_usd = UsdField(source="amount")
    rail = serializers.CharField()
    status = serializers.CharField(source="state")
    reference = serializers.CharField()
    created_at = serializers.DateTimeField()
    decided_at = serializers.DateTimeField(allow_null=True)


class GrantShown(serializers.Serializer[Any]):
    """Credit that was given. What is left of it is worked out within a minute."""

    id = serializers.UUIDField()
    object = serializers.CharField(default="grant", read_only=True)
    source = serializers.CharField()  # type: ignore[assignment]  # a word of the contract
    amount_nanos = NanosField(source="amount")
    amount_usd = UsdField(source="amount")
    remaining_nanos = NanosField(source="remaining")
    remaining_usd = UsdField(source="remaining")
    expires_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


class _Asked(serializers.Serializer[Any]):
    """What every movement has: an id, so that sending it twice moves once."""

    id = serializers.UUIDField(help_text="Chosen by you: sent again, it moves nothing more.")


class TopUpAsked(_Asked):
    """Money that came in from outside."""

    organization_id = serializers.UUIDField()
    amount_nanos = NanosAskedField()
    reference = serializers.CharField(max_length=200)


class GrantAsked(_Asked):
    """Credit to be given."""

    organization_id = serializers.UUIDField()
    amount_nanos = NanosAskedField()
    source = serializers.ChoiceField(get_args(grants.Source))  # type: ignore[assignment]  # as above
    cost_basis = serializers.ChoiceField(get_args(grants.CostBasis), default="zero")
    expires_at = serializers.DateTimeField(required=False, allow_null=True)
    reason = serializers.CharField(max_length=200)


class RefundAsked(_Asked):
    """A part of a charge to be given back."""

    charge_id = serializers.UUIDField(source="hold_id")
    amount_nanos = NanosAskedField()
    reason = serializers.ChoiceField(get_args(refunds.Reason))
    clawback = serializers.BooleanField(default=False, help_text="Whether the creator returns its part.")
    remark = serializers.CharField(max_length=200)


class AdjustmentAsked(_Asked):
    """Money from one account to another."""

    debit_id = serializers.IntegerField(min_value=1)
    credit_id = serializers.IntegerField(min_value=1)
    amount_nanos = NanosAskedField()
    reason = serializers.CharField(max_length=200)
    ticket = serializers.CharField(max_length=64)


class ReversalAsked(_Asked):
    """A transaction to be taken back."""

    transaction_id = serializers.IntegerField(min_value=1, source="group_id")
    reason = serializers.CharField(max_length=200)
    ticket = serializers.CharField(max_length=64)


class StandingAsked(serializers.Serializer[Any]):
    """Whether a wallet starts anything."""

    standing = serializers.ChoiceField(("open", "frozen", "closed"))
    reason = serializers.CharField(max_length=200)


class DecisionAsked(serializers.Serializer[Any]):
    """A second person's word."""

    approve = serializers.BooleanField()


class Grants(ManageView):
    """Credit that the organization was given."""

    def get(self, request: Request) -> Response:
        """In the order in which it is spent."""
        rows = grants.grants_of(self.caller.organization_id)
        return page([GrantShown(row).data for row in rows], has_more=False)


class Entry(StaffView):
    """Something that a superuser moves. Where it is much, the answer says that it awaits a second person."""

    form: type[serializers.Serializer[Any]] = _Asked
    service: Callable[..., str] | None = None

    def post(self, request: Request) -> Response:
        """Move it, once per id."""
        assert self.service is not None
        asked = self.sent(self.form)
        status = self.service(**asked, actor=str(self.person))
        return Response({"id": str(asked["id"]), "object": "movement", "status": status}, status=201)


class Decision(StaffView):
    """A second person's word on one of them."""

    decide: Callable[..., str] | None = None

    def post(self, request: Request, move_id: UUID) -> Response:
        """Approve it, or reject it."""
        assert self.decide is not None
        status = self.decide(id=move_id, actor=str(self.person), **self.sent(DecisionAsked))
        return Response({"id": str(move_id), "object": "movement", "status": status})


class Standing(StaffView):
    """Whether an organization's wallet starts anything."""

    def put(self, request: Request, organization_id: UUID) -> Response:
        """Freeze it, open it, or close it for good."""
        asked = self.sent(StandingAsked)
        wallets.set_standing(organization_id=organization_id, **asked, actor=str(self.person))
        return Response({"object": "wallet", "organization_id": str(organization_id), "status": asked["standing"]})
