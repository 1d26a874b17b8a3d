"""Top-ups, credit, refunds and adjustments: asked for by one person, approved by another where it is much."""

from collections.abc import Callable
from typing import Any, ClassVar
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from unfold.decorators import action, display

from billing import adjustments, grants, refunds, top_ups
from billing.admin.move_forms import AdjustmentForm, GrantForm, MoveForm, RefundForm, TopUpForm
from billing.admin.moving import moving, say_who_approves
from billing.amounts import dollars
from billing.models import Adjustment, Grant, Refund, TopUp
from tenants.admin.seats import StaffRecordAdmin, signed_in

STATE_LABELS = {
    "Awaits approval": "warning", "Pending": "warning", "Created": "info", "Credited": "success", "Given": "success",
    "Made": "success", "Posted": "success", "Rejected": "danger", "Failed": "danger", "Canceled": "danger",
    "Refunded": "info", "Disputed": "danger",
}  # fmt: skip


class ApproveForm(MoveForm):
    """A second person's yes."""

    title = "Approve"
    verb = "Approve"

    def move(self, *, actor: str) -> str:
        """Say it."""
        state = self.about["decide"](id=self.about["row"].pk, approve=True, actor=actor)
        return f"{self.about['row']} is {state}."


class RejectForm(MoveForm):
    """A second person's no."""

    title = "Reject"
    verb = "Reject"

    def move(self, *, actor: str) -> str:
        """Say it."""
        state = self.about["decide"](id=self.about["row"].pk, approve=False, actor=actor)
        return f"{self.about['row']} is {state}."


class MovesAdmin(StaffRecordAdmin):
    """Movements that people ask for. They are entered on a form and decided on a page; nothing of them is edited."""

    form_class: ClassVar[type[MoveForm]]
    decide: ClassVar[Callable[..., str]]
    waiting: ClassVar = "requested"
    actions_detail: ClassVar = ("approve", "reject")
    list_filter: ClassVar[tuple[str, ...]] = ("state",)
    list_select_related: ClassVar = ("organization",)
    search_fields: ClassVar[tuple[str, ...]] = ("organization__slug",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def has_decide_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Only what waits is decided, and by superusers only."""
        if not request.user.is_superuser or object_id is None:
            return False
        return bool(self.model._default_manager.filter(pk=object_id, state=self.waiting).exists())

    def has_approve_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """The same, but for whoever asked for it."""
        return self.has_decide_permission(request, object_id) and not self._asked(request, object_id)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """One of them; who asked for it is told why there is no button."""
        if self.has_decide_permission(request, object_id) and self._asked(request, object_id):
            say_who_approves(request)
        shown: HttpResponse = super().change_view(request, object_id, form_url, extra_context)
        return shown

    def _asked(self, request: HttpRequest, object_id: str | None) -> bool:
        row = self.model._default_manager.filter(pk=object_id).first()
        return row is not None and self.asker(row) == str(signed_in(request))

    @display(description="Amount", ordering="amount")
    def shown_amount(self, row: Any) -> str:
        """In dollars."""
        return dollars(row.amount)

    @display(description="State", label=STATE_LABELS)
    def shown_state(self, row: Any) -> str:
        """How far it is."""
        return str(row.get_state_display())

    @action(description="Approve", icon="check", permissions=("approve",))
    def approve(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Lead to the page on which a second person says yes."""
        return self._led_to("approve", object_id)

    @action(description="Reject", icon="close", permissions=("decide",))
    def reject(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Lead to the page on which somebody says no."""
        return self._led_to("reject", object_id)

    def _led_to(self, word: str, object_id: str) -> HttpResponse:
        return HttpResponseRedirect(self._address(word, object_id))

    def _address(self, page: str, *args: Any) -> str:
        return reverse(f"{self.admin_site.name}:billing_{self.opts.model_name}_{page}", args=args)

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(
                f"<uuid:row_id>/{word}/",
                self.admin_site.admin_view(view),
                name=f"billing_{self.opts.model_name}_{word}",
            )
            for word, view in (("approve", self.approve_view), ("reject", self.reject_view))
        ]
        return [*own, *super().get_urls()]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Enter one."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        given = {name: request.GET[name] for name in request.GET if name in self.form_class.base_fields}
        title = f"New {self.form_class.title.lower()}"
        return moving(request, self, self.form_class, back=self._address("changelist"), title=title, initial=given)

    def approve_view(self, request: HttpRequest, row_id: UUID) -> HttpResponse:
        """Say yes to one that waits."""
        return self._decide(request, row_id, ApproveForm)

    def reject_view(self, request: HttpRequest, row_id: UUID) -> HttpResponse:
        """Say no to one that waits."""
        return self._decide(request, row_id, RejectForm)

    def _decide(self, request: HttpRequest, row_id: UUID, form_class: type[MoveForm]) -> HttpResponse:
        if not request.user.is_superuser:
            raise PermissionDenied
        row = self.get_queryset(request).filter(pk=row_id).first()
        if row is None:
            raise Http404
        facts = [
            ("Amount", dollars(row.amount)), ("Organization", str(row.organization or "the platform")),
            ("Asked for by", self.asker(row)), ("Why", self.why(row)), ("State", row.get_state_display()),
        ]  # fmt: skip
        return moving(
            request, self, form_class, back=self._address("change", row_id), facts=facts,
            title=f"{form_class.title}: {self.form_class.title.lower()} of {dollars(row.amount)}",
            about={"row": row, "decide": type(self).decide},
        )  # fmt: skip

    def asker(self, row: Any) -> str:
        """Who asked for it."""
        return str(row.requested_by)

    def why(self, row: Any) -> str:
        """What was said about it."""
        return str(row.reason)


class StaffTopUpAdmin(MovesAdmin):
    """Money that came in, or is on its way."""

    form_class = TopUpForm
    decide = staticmethod(top_ups.decide)
    waiting = "pending"
    list_display: ClassVar = ("created_at", "organization", "shown_amount", "rail", "shown_state", "reference", "actor")
    list_filter: ClassVar = ("state", "rail", "fee_problem")
    search_fields: ClassVar = ("organization__slug", "reference", "external_id", "payment_id")
    ordering: ClassVar = ("-created_at", "-id")
    fields: ClassVar = (
        *("id", "organization", "shown_amount", "rail", "shown_state", "reference", "actor", "created_at"),
        *("decided_by", "decided_at", "external_id", "payment_id", "group", "shown_fee"),
    )

    @display(description="Fee")
    def shown_fee(self, top_up: TopUp) -> str:
        """What the gateway kept of it."""
        if top_up.fee is not None:
            return dollars(top_up.fee)
        return "in another currency: book it by an adjustment" if top_up.fee_problem else ""

    def has_decide_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """What a gateway collects, the gateway decides."""
        if object_id is None or not TopUp.objects.filter(pk=object_id, rail=TopUp.Rail.MANUAL).exists():
            return False
        return super().has_decide_permission(request, object_id)

    def asker(self, row: TopUp) -> str:
        return row.actor

    def why(self, row: TopUp) -> str:
        return row.reference


class StaffGrantAdmin(MovesAdmin):
    """Credit that was given, and what is left of it."""

    form_class = GrantForm
    decide = staticmethod(grants.decide)
    list_display: ClassVar = (
        "created_at", "organization", "source", "shown_amount", "shown_remaining", "expires_at", "shown_state",
    )  # fmt: skip
    list_filter: ClassVar = ("state", "source")
    ordering: ClassVar = ("-created_at", "-id")
    fields: ClassVar = (
        *("id", "organization", "source", "shown_amount", "shown_remaining", "cost_basis", "priority", "expires_at"),
        *("reason", "shown_state", "requested_by", "created_at", "decided_by", "decided_at", "group"),
    )

    @display(description="Left")
    def shown_remaining(self, grant: Grant) -> str:
        """As far as it was worked out."""
        return dollars(grant.remaining)


class StaffRefundAdmin(MovesAdmin):
    """What was given back of settlements."""

    form_class = RefundForm
    decide = staticmethod(refunds.decide)
    list_display: ClassVar = (
        "requested_at", "organization", "shown_amount", "reason", "clawback", "shown_state", "requested_by",
    )  # fmt: skip
    list_filter: ClassVar = ("state", "reason", "clawback")
    ordering: ClassVar = ("-requested_at", "id")
    fields: ClassVar = (
        *("id", "organization", "settlement", "shown_amount", "reason", "clawback", "note", "shown_state"),
        *("requested_by", "requested_at", "decided_by", "decided_at", "shown_parts", "group"),
    )

    @display(description="Of the creator's")
    def shown_parts(self, refund: Refund) -> str:
        """What the creator returned: out of earnings, and as a debt."""
        return f"{dollars(refund.from_earnings)} out of earnings, {dollars(refund.from_clawback)} as a debt"

    def why(self, row: Refund) -> str:
        return f"{row.get_reason_display()}: {row.note}"


class StaffAdjustmentAdmin(MovesAdmin):
    """Corrections of the books."""

    form_class = AdjustmentForm
    decide = staticmethod(adjustments.decide)
    list_display: ClassVar = (
        "requested_at", "kind", "organization", "shown_amount", "reason", "ticket", "shown_state", "requested_by",
    )  # fmt: skip
    list_filter: ClassVar = ("state", "kind")
    search_fields: ClassVar = ("organization__slug", "ticket", "reason")
    ordering: ClassVar = ("-requested_at", "id")
    fields: ClassVar = (
        *("id", "kind", "organization", "debit", "credit", "reverses", "top_up", "shown_amount", "reason", "ticket"),
        *("shown_state", "requested_by", "requested_at", "decided_by", "decided_at", "group"),
    )

    def why(self, row: Adjustment) -> str:
        return f"{row.reason} ({row.ticket})"
