"""Budgets: whose spending counts, how much is left of the period, and when it begins anew."""

from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from unfold import widgets
from unfold.decorators import action, display
from unfold.views import ChangeList

from billing import budgets
from billing.amounts import MOST_NANOS, NANOS_PER_DOLLAR
from billing.dollar_fields import DollarsField
from billing.errors import InvalidBudget
from billing.models import Budget
from billing.subjects import names_of
from tenants.admin.seats import MemberAdmin, StaffRecordAdmin, allows, signed_in
from tenants.ids import uuid7
from tenants.permissions import BILLING_READ, BILLING_WRITE

BUDGETS_OF = "console/budgets_of.html"
"""The budgets of a key or an agent, below its own page."""

MODE_LABELS = {"Refuse": "danger", "Warn": "warning"}
FIELD_OF = {"time_zone": "time_zone", "alert_percents": "alerts", "limit_nanos": "limit"}


def budgets_shown(request: HttpRequest, scope: str, subject: Any) -> dict[str, Any]:
    """What that template shows of them; nothing to whom the seat says nothing of money."""
    if not allows(request, BILLING_READ):
        return {}
    shown: dict[str, Any] = {"budgets": budgets.budgets_of(scope, str(subject)), "budgets_are_shown": True}
    if allows(request, BILLING_WRITE):
        add = reverse("console:billing_budget_add")
        shown["set_budget"] = f"{add}?{urlencode({'scope': scope, scope: subject})}"
    return shown


class BudgetForm(forms.ModelForm):
    """A budget to be set, or its limits to be changed."""

    limit = DollarsField(scale=NANOS_PER_DOLLAR, most=MOST_NANOS, label="Limit ($)")
    key = forms.ChoiceField(
        label="API key", required=False, widget=widgets.UnfoldAdminSelectWidget(), help_text="For the budget of a key."
    )
    agent = forms.ChoiceField(
        label="Agent", required=False, widget=widgets.UnfoldAdminSelectWidget(), help_text="For the budget of an agent."
    )
    end_user = forms.CharField(
        label="End user",
        required=False,
        max_length=256,
        widget=widgets.UnfoldAdminTextInputWidget(),
        help_text="For the budget of an end user: what your requests send as 'safety_identifier' or 'user'.",
    )
    alerts = forms.CharField(
        label="Warn at (%)",
        initial="50, 80, 100",
        required=False,
        widget=widgets.UnfoldAdminTextInputWidget(),
        help_text="Shares of the limit, separated by commas. Each is told once in a period.",
    )

    class Meta:
        model = Budget
        fields: ClassVar = ("scope", "period", "time_zone", "limit", "mode")
        labels: ClassVar = {"mode": "When it is used up", "scope": "Whose spending counts"}
        help_texts: ClassVar = {
            "period": "It begins anew at midnight of a day, on a Monday, on the first of a month; or never.",
            "time_zone": "Whose midnight that is, such as Europe/Riga.",
            "mode": "Refuse: what would go beyond it is answered with 402 and does not start. Warn: nothing stops.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and not self.instance._state.adding:
            self.initial["alerts"] = ", ".join(map(str, self.instance.alert_percents))
        if "scope" in self.fields:
            choices = [(value, label) for value, label in Budget.Scope.choices if value in budgets.SCOPES]
            self.fields["scope"] = forms.ChoiceField(
                label="Whose spending counts", choices=choices, widget=widgets.UnfoldAdminSelectWidget()
            )
            self.fields["time_zone"].initial = "UTC"
            for name in ("key", "agent"):
                self.fields[name].choices = [("", "---------"), *names_of(name).items()]  # type: ignore[attr-defined]  # a ChoiceField

    def clean_alerts(self) -> list[int]:
        """The shares as numbers."""
        try:
            return [int(part) for part in self.cleaned_data["alerts"].replace(" ", "").split(",") if part]
        except ValueError:
            raise forms.ValidationError("Write whole numbers, separated by commas.") from None

    def clean(self) -> dict[str, Any]:
        """Whose it is goes by the scope."""
        entered: dict[str, Any] = super().clean() or {}
        scope = entered.get("scope", "organization")
        if scope != "organization" and not entered.get(scope):
            self.add_error(scope, "Say whose budget it is.")
        entered["subject"] = "" if scope == "organization" else entered.get(scope, "")
        if not self.errors:
            self._check(entered)
        return entered

    def _check(self, entered: dict[str, Any]) -> None:
        known = self.instance
        try:
            budgets.check(
                scope=entered.get("scope", known.scope),
                subject=entered["subject"] if "scope" in entered else known.subject,
                time_zone=entered.get("time_zone", known.time_zone),
                limit_nanos=entered["limit"],
                alert_percents=entered["alerts"],
            )
        except InvalidBudget as refused:
            self.add_error(FIELD_OF.get(refused.field), str(refused))


class BudgetList(ChangeList):
    """A page of budgets, each with the name of whose it is."""

    def get_results(self, request: HttpRequest) -> None:
        """The rows; who is there of a scope is asked once."""
        super().get_results(request)
        budgets.name_subjects(self.result_list)


class BudgetColumns:
    """How a budget is written, on both sites."""

    def get_queryset(self, request: HttpRequest) -> Any:
        """Those that count, with what their period holds."""
        return budgets.with_window(super().get_queryset(request))  # type: ignore[misc]  # an admin's

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return BudgetList

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Budget | None:
        """The budget, with the name of whose it is."""
        found: Budget | None = super().get_object(request, object_id, from_field)  # type: ignore[misc]  # an admin's
        if found is not None:
            budgets.name_subjects([found])
        return found

    @display(description="Budget of")
    def shown_subject(self, budget: Budget) -> str:
        """Whose spending counts."""
        return budgets.state_of(budget).whose

    @display(description="Limit", ordering="limit")
    def shown_limit(self, budget: Budget) -> str:
        """How much may be spent, in which time."""
        return budgets.state_of(budget).limit

    @display(description="Used")
    def shown_used(self, budget: Budget) -> SafeString:
        """What is spent and reserved of it, as a bar and in words."""
        return render_to_string("console/budget_bar.html", {"state": budgets.state_of(budget)})

    @display(description="Left")
    def shown_left(self, budget: Budget) -> str:
        """What may still be spent in this period."""
        return budgets.state_of(budget).left

    @display(description="Begins anew")
    def shown_reset(self, budget: Budget) -> str:
        """When the next period begins."""
        return budgets.state_of(budget).begins_anew

    @display(description="When used up", label=MODE_LABELS)
    def shown_mode(self, budget: Budget) -> str:
        """Whether it refuses or only warns."""
        return budget.get_mode_display()

    @display(description="Warns at")
    def shown_alerts(self, budget: Budget) -> str:
        """At which shares of the limit."""
        return ", ".join(f"{percent} %" for percent in budget.alert_percents) or "nothing"


class MemberBudgetAdmin(BudgetColumns, MemberAdmin):
    """The organization's budgets. Whose one is and which periods it has is settled when it is set."""

    reads = BILLING_READ
    writes = BILLING_WRITE
    form = BudgetForm
    list_display: ClassVar = ("shown_subject", "shown_limit", "shown_used", "shown_left", "shown_reset", "shown_mode")
    list_filter: ClassVar = ("scope", "period", "mode")
    ordering: ClassVar = ("scope", "id")
    actions: ClassVar = ("end",)

    def get_fields(self, request: HttpRequest, obj: Budget | None = None) -> Any:
        if obj is None:
            return ("scope", "key", "agent", "end_user", "period", "time_zone", "limit", "mode", "alerts")
        changed = ("limit", "mode", "alerts") if self.has_change_permission(request, obj) else ("mode", "shown_alerts")
        return ("shown_subject", "shown_limit", "shown_used", "shown_left", "shown_reset", "time_zone", *changed)

    def get_readonly_fields(self, request: HttpRequest, obj: Budget | None = None) -> Any:
        if obj is None:
            return ()
        return ("shown_subject", "shown_limit", "shown_used", "shown_left", "shown_reset", "shown_alerts", "time_zone")

    def save_model(self, request: HttpRequest, obj: Budget, form: Any, change: bool) -> None:  # noqa: FBT001  # Django's own signature
        """Set it in the books."""
        asked = form.cleaned_data
        known = obj if change else None
        state = budgets.set_budget(
            id=obj.pk if change else uuid7(),
            scope=known.scope if known else asked["scope"],
            subject=known.subject if known else asked["subject"],
            period=asked.get("period", obj.period),
            time_zone=asked.get("time_zone", obj.time_zone),
            limit_nanos=asked["limit"],
            mode=asked["mode"],
            alert_percents=asked["alerts"],
            actor=str(signed_in(request)),
        )
        obj.__dict__.update(state.budget.__dict__)

    @action(description="End the selected budgets", permissions=("change",))
    def end(self, request: HttpRequest, queryset: Any) -> None:
        """Refuse nothing more because of these."""
        ended = list(queryset)
        for budget in ended:
            budgets.end_budget(budget.pk)
        messages.success(request, f"Ended {len(ended)} budget{'s' if len(ended) != 1 else ''}.")


class StaffBudgetAdmin(BudgetColumns, StaffRecordAdmin):
    """Every organization's budgets, to look at."""

    list_display: ClassVar = (
        "organization", "shown_subject", "shown_limit", "shown_used", "shown_left", "shown_reset", "shown_mode",
    )  # fmt: skip
    list_display_links: ClassVar = ("shown_subject",)
    list_select_related: ClassVar = ("organization",)
    list_filter: ClassVar = ("scope", "period", "mode")
    search_fields: ClassVar = ("organization__slug", "subject")
    ordering: ClassVar = ("organization", "scope", "id")
    fields: ClassVar = (
        *("organization", "shown_subject", "shown_limit", "shown_used", "shown_left", "shown_reset", "time_zone"),
        *("shown_mode", "shown_alerts", "set_by", "created_at"),
    )
