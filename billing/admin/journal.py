"""The journal: transfers, and the charges, holds and settlements they come from. All of it is history, to be read."""

from typing import Any, ClassVar
from uuid import UUID

from django.db.models import BooleanField, ExpressionWrapper, Model, Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from unfold.decorators import action, display

from billing.admin.wallets import name_of
from billing.amounts import dollars
from billing.models import Hold, Settlement, Transfer
from tenants.admin.seats import MemberAdmin, StaffRecordAdmin, seat_of
from tenants.permissions import BILLING_READ


class AmountColumn:
    """One amount, in dollars."""

    @display(description="Amount", ordering="amount")
    def shown_amount(self, row: Transfer | Hold) -> str:
        """The amount in dollars."""
        return dollars(row.amount)


class MemberTransferAdmin(MemberAdmin):
    """Every movement of the organization's money."""

    reads = BILLING_READ
    list_display: ClassVar = ("created_at", "shown_kind", "shown_signed", "shown_memo")
    list_filter: ClassVar = ("group__kind",)
    date_hierarchy = "created_at"
    ordering: ClassVar = ("-id",)
    fields: ClassVar = ("created_at", "shown_kind", "shown_signed", "shown_memo")

    def get_queryset(self, request: HttpRequest) -> Any:
        """Their own transfers; the other side's account may be somebody else's, so it is not joined."""
        own = seat_of(request).organization.id
        moved = Transfer.objects.filter(Q(debit_organization=own) | Q(credit_organization=own))
        return moved.select_related("group", "group__charge").annotate(
            is_spent=ExpressionWrapper(Q(debit_organization=own), BooleanField())
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return self.fields

    @display(description="What for")
    def shown_kind(self, transfer: Transfer) -> str:
        """Why the money moved."""
        return transfer.group.get_kind_display()

    @display(description="Amount")
    def shown_signed(self, transfer: Any) -> str:
        """What came in, or with a minus what went out."""
        return f"{'−' if transfer.is_spent else '+'}{dollars(transfer.amount)}"

    @display(description="Reference")
    def shown_memo(self, transfer: Transfer) -> str:
        """What it can be found by."""
        return transfer.group.memo or (transfer.group.charge.reference if transfer.group.charge else "")


class StaffTransferAdmin(AmountColumn, StaffRecordAdmin):
    """The whole journal."""

    list_display: ClassVar = ("id", "created_at", "shown_kind", "shown_debit", "shown_credit", "shown_amount")
    list_select_related: ClassVar = ("group", "debit__organization", "credit__organization")
    list_filter: ClassVar = ("group__kind",)
    search_fields: ClassVar = ("group__key", "debit__code", "credit__code")
    search_help_text = "The key of a group, an account's code, or the id of a charge, a hold or a run."
    date_hierarchy = "created_at"
    ordering: ClassVar = ("-id",)
    fields: ClassVar = (
        *("created_at", "shown_kind", "shown_debit", "shown_credit", "shown_amount"),
        *("shown_memo", "shown_actor", "group", "line"),
    )

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        """An id finds what moved for a charge, its hold or its run."""
        try:
            id = UUID(search_term.strip())
        except ValueError:
            found, may_repeat = super().get_search_results(request, queryset, search_term)
            return found, bool(may_repeat)
        of_group = Q(group__charge_id=id) | Q(group__hold_id=id) | Q(group__charge__run_id=id)
        return queryset.filter(of_group), False

    @display(description="What for")
    def shown_kind(self, transfer: Transfer) -> str:
        """Why the money moved."""
        return transfer.group.get_kind_display()

    @display(description="Reference")
    def shown_memo(self, transfer: Transfer) -> str:
        """What it can be found by."""
        return transfer.group.memo

    @display(description="Entered by")
    def shown_actor(self, transfer: Transfer) -> str:
        """Who entered it, if a person did."""
        return transfer.group.actor

    @display(description="From")
    def shown_debit(self, transfer: Transfer) -> str:
        """The account that was debited, by its owner and kind."""
        return name_of(transfer.debit)

    @display(description="To")
    def shown_credit(self, transfer: Transfer) -> str:
        """The account that was credited."""
        return name_of(transfer.credit)


class StaffHoldAdmin(AmountColumn, StaffRecordAdmin):
    """What runs have reserved."""

    list_display: ClassVar = ("opened_at", "organization", "charge", "shown_amount", "state", "expires_at", "closed_at")
    list_select_related: ClassVar = ("organization", "charge")
    list_filter: ClassVar = ("state",)
    search_fields: ClassVar = ("id", "organization__slug")
    ordering: ClassVar = ("-opened_at",)
    fields: ClassVar = ("opened_at", "organization", "charge", "shown_amount", "state", "expires_at", "closed_at", "id")


class StaffChargeAdmin(StaffRecordAdmin):
    """What organizations were asked to pay for."""

    list_display: ClassVar = (
        "started_at",
        "organization",
        "kind",
        "reference",
        "status",
        "finish_reason",
        "finished_at",
    )
    list_select_related: ClassVar = ("organization",)
    list_filter: ClassVar = ("kind", "status")
    search_fields: ClassVar = ("id", "run_id", "reference", "organization__slug")
    ordering: ClassVar = ("-started_at",)
    actions_detail: ClassVar = ("chain",)

    @action(description="Its money, and refunds", icon="account_tree")
    def chain(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Lead to the page with all that belongs to it."""
        return HttpResponseRedirect(reverse(f"{self.admin_site.name}:billing_chain", args=(object_id,)))

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("organization", "beneficiary", "price_version")


def _in_dollars(field: str, description: str) -> Any:
    """A column that writes an amount in dollars."""

    @display(description=description, ordering=field)
    def shown(admin: Any, row: Any) -> str:
        return dollars(getattr(row, field))

    return shown


class StaffSettlementAdmin(StaffRecordAdmin):
    """What holds came to."""

    list_display: ClassVar = (
        *("created_at", "organization", "shown_reference", "shown_charged", "shown_cost", "shown_loss"),
        *("source", "late"),
    )
    list_select_related: ClassVar = ("organization", "hold__charge")
    list_filter: ClassVar = ("source", "late", "platform_credential")
    search_fields: ClassVar = ("hold__id", "organization__slug")
    ordering: ClassVar = ("-pk",)
    fields: ClassVar = (
        *("created_at", "organization", "beneficiary", "shown_reference", "hold_id", "source", "late"),
        *("platform_credential", "shown_reserved", "shown_overrun", "shown_cost", "shown_markup", "shown_fee"),
        *("shown_charged", "shown_creator_share", "shown_platform_share", "shown_loss"),
    )
    readonly_fields: ClassVar = fields

    shown_charged = _in_dollars("charged", "Charged")
    shown_cost = _in_dollars("cost", "Provider's cost")
    shown_markup = _in_dollars("markup", "Agent's price")
    shown_fee = _in_dollars("fee", "Platform's fee")
    shown_reserved = _in_dollars("reserved", "Reserved")
    shown_overrun = _in_dollars("overrun", "Beyond the reservation")
    shown_creator_share = _in_dollars("creator_share", "To the agent's owner")
    shown_platform_share = _in_dollars("platform_share", "To the platform")
    shown_loss = _in_dollars("loss", "Loss")

    @display(description="What for")
    def shown_reference(self, settlement: Settlement) -> str:
        """The agent, as its caller addressed it."""
        return settlement.hold.charge.reference
