"""The journal: transfers, and the charges, holds and settlements they come from. All of it is history, to be read."""

from typing import Any, ClassVar

from django.db.models import Model
from django.http import HttpRequest
from unfold.decorators import display

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


class MemberTransferAdmin(AmountColumn, MemberAdmin):
    """Every movement of the organization's money."""

    reads = BILLING_READ
    list_display: ClassVar = ("created_at", "shown_kind", "shown_direction", "shown_amount", "shown_memo")
    list_select_related: ClassVar = ("group", "group__charge")
    date_hierarchy = "created_at"
    ordering: ClassVar = ("-id",)
    fields: ClassVar = ("created_at", "shown_kind", "shown_direction", "shown_amount", "shown_memo")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("group", "debit", "credit")

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return self.fields

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        request.payer = seat_of(request).organization.id  # type: ignore[attr-defined]  # read by the columns
        return super().changelist_view(request, extra_context)

    @display(description="What for")
    def shown_kind(self, transfer: Transfer) -> str:
        """Why the money moved."""
        return transfer.group.get_kind_display()

    @display(description="From → to")
    def shown_direction(self, transfer: Transfer) -> str:
        """The two accounts by what they are."""
        return f"{transfer.debit.get_kind_display()} → {transfer.credit.get_kind_display()}"

    @display(description="Reference")
    def shown_memo(self, transfer: Transfer) -> str:
        """What it can be found by."""
        return transfer.group.memo or (transfer.group.charge.reference if transfer.group.charge else "")


class StaffTransferAdmin(AmountColumn, StaffRecordAdmin):
    """The whole journal."""

    list_display: ClassVar = ("id", "created_at", "shown_kind", "debit", "credit", "shown_amount", "group")
    list_select_related: ClassVar = ("group", "debit", "credit")
    list_filter: ClassVar = ("group__kind",)
    search_fields: ClassVar = ("group__key", "debit__code", "credit__code")
    date_hierarchy = "created_at"
    ordering: ClassVar = ("-id",)
    fields: ClassVar = ("id", "group", "line", "debit", "credit", "shown_amount", "created_at")

    @display(description="What for")
    def shown_kind(self, transfer: Transfer) -> str:
        """Why the money moved."""
        return transfer.group.get_kind_display()


class StaffHoldAdmin(AmountColumn, StaffRecordAdmin):
    """What runs have reserved."""

    list_display: ClassVar = ("opened_at", "organization", "charge", "shown_amount", "state", "expires_at", "closed_at")
    list_select_related: ClassVar = ("organization", "charge")
    list_filter: ClassVar = ("state",)
    search_fields: ClassVar = ("id", "organization__slug")
    ordering: ClassVar = ("-opened_at",)


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

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("organization", "beneficiary", "price_version")


class StaffSettlementAdmin(StaffRecordAdmin):
    """What holds came to."""

    list_display: ClassVar = ("hold_id", "organization", "shown_charged", "shown_cost", "shown_loss", "source", "late")
    list_select_related: ClassVar = ("organization",)
    list_filter: ClassVar = ("source", "late", "platform_credential")
    search_fields: ClassVar = ("hold__id", "organization__slug")

    @display(description="Charged", ordering="charged")
    def shown_charged(self, settlement: Settlement) -> str:
        """What the payer paid."""
        return dollars(settlement.charged)

    @display(description="Provider's cost", ordering="cost")
    def shown_cost(self, settlement: Settlement) -> str:
        """What the provider charges."""
        return dollars(settlement.cost)

    @display(description="Loss", ordering="loss")
    def shown_loss(self, settlement: Settlement) -> str:
        """What nobody paid."""
        return dollars(settlement.loss)
