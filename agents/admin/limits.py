"""Limits said for an organization: by its members, who lower what holds, and by staff, who may lift it."""

from typing import Any, ClassVar, Final
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import CharField, OuterRef, Subquery
from django.db.models.functions import Cast
from django.http import HttpRequest
from unfold import widgets
from unfold.admin import ModelAdmin
from unfold.decorators import display

from agents.models import Agent
from tenants import limits, services
from tenants.admin.seats import MemberAdmin, seat_of
from tenants.limits import NAMES, Limits
from tenants.models import ApiKey, RateLimit
from tenants.permissions import LIMITS_WRITE

Kind: Final = RateLimit.Kind
_ROWS: Final = {limits.KEY: ApiKey, limits.AGENT: Agent}


class RuleForm(forms.ModelForm):
    """The numbers of a rule; one of them at least."""

    class Meta:
        model = RateLimit
        fields: ClassVar = NAMES
        labels: ClassVar = {name: name.replace("_", " ").capitalize() for name in NAMES if name != "max_parallel"}
        help_texts: ClassVar = {
            "requests_per_second": "Empty, here and below, leaves it at what holds without this rule.",
        }

    def clean(self) -> dict[str, Any]:
        """Empty leaves a limit as it is without the rule; zero would be a way to say no."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        for name in NAMES:
            if cleaned.get(name) == 0:
                self.add_error(name, "Write 1 or more, or leave it empty; to refuse everything, revoke the key.")
        if not self.errors and not any(cleaned.get(name) for name in NAMES):
            raise ValidationError("Say at least one limit.")
        return cleaned

    @property
    def said(self) -> Limits:
        """What was written."""
        return Limits(**{name: self.cleaned_data[name] for name in NAMES})


class NewRuleForm(RuleForm):
    """A rule of a member's, about one of the organization's own subjects."""

    about = forms.ChoiceField(widget=widgets.UnfoldAdminSelectWidget())
    end_user = forms.CharField(
        required=False,
        max_length=512,
        widget=widgets.UnfoldAdminTextInputWidget(),
        help_text="Of a rule about end users: the name in safety_identifier or user; empty for each of them.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        keys = [(f"key:{key.pk}", str(key)) for key in ApiKey.objects.filter(revoked_at=None).order_by("name")]
        agents = [(f"agent:{agent.pk}", agent.slug) for agent in Agent.objects.order_by("slug")]
        self.fields["about"].choices = [  # type: ignore[attr-defined]  # it is a ChoiceField
            (f"{Kind.ORGANIZATION.value}:", "All keys together"),
            (f"{Kind.END_USER.value}:", "End users"),
            ("API keys", keys),
            ("Agents, of all their callers together", agents),
        ]

    def clean(self) -> dict[str, Any]:
        """Whom it is about, as a rule keeps it."""
        cleaned = super().clean()
        self.kind, _, self.subject = cleaned.get("about", "").partition(":")
        if self.kind == Kind.END_USER.value:
            self.subject = cleaned.get("end_user", "")
        elif cleaned.get("end_user"):
            self.add_error("end_user", "Choose 'End users' above, or leave this empty.")
        return cleaned


class StaffRuleForm(RuleForm):
    """A rule of staff's, about whatever they name."""

    class Meta(RuleForm.Meta):
        fields: ClassVar = ("organization", "kind", "subject", *NAMES)

    def clean(self) -> dict[str, Any]:
        """The subject has to be the organization's own."""
        cleaned = super().clean()
        kind, subject, organization = (cleaned.get(name) for name in ("kind", "subject", "organization"))
        if self.instance._state.adding and organization is not None:
            if kind == Kind.ORGANIZATION and subject:
                self.add_error("subject", "Leave it empty: the rule is about the organization itself.")
            if kind in _ROWS and not _exists(_ROWS[kind], subject or "", organization.pk):
                self.add_error("subject", f"{organization} has no such {kind}: write its id.")
        return cleaned


class RuleColumns:
    """How a rule is written, on both sites."""

    @display(description="About")
    def shown_subject(self, rule: Any) -> str:
        """Whom it is about, by a name if there is one."""
        return str(rule.key_name or rule.agent_slug or rule.subject or "all")

    @display(description="Limits")
    def shown_limits(self, rule: RateLimit) -> str:
        """What it says."""
        return ", ".join(f"{value} {name.replace('_', ' ')}" for name, value in rule.limits.said.items())


class MemberLimitAdmin(RuleColumns, MemberAdmin):
    """Rules of the organization. Members lower limits; what staff set they can only read."""

    reads = LIMITS_WRITE
    writes = LIMITS_WRITE
    list_display: ClassVar = ("kind", "shown_subject", "shown_limits", "set_by_staff")
    ordering: ClassVar = ("kind", "subject")
    actions = None

    def get_queryset(self, request: HttpRequest) -> Any:
        return _named(super().get_queryset(request))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request) and not (obj is not None and obj.set_by_staff)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A rule that is taken away lets hold again what would without it."""
        return self.has_change_permission(request, obj)

    def get_form(self, request: HttpRequest, obj: RateLimit | None = None, change: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002  # Django's own signature
        return super().get_form(request, obj, change=change, form=RuleForm if obj else NewRuleForm, **kwargs)

    def get_fields(self, request: HttpRequest, obj: RateLimit | None = None) -> Any:
        return ("kind", "shown_subject", *NAMES) if obj else ("about", "end_user", *NAMES)

    def get_readonly_fields(self, request: HttpRequest, obj: RateLimit | None = None) -> Any:
        return ("kind", "shown_subject") if obj else ()

    def save_model(self, request: HttpRequest, obj: RateLimit, form: Any, change: bool) -> None:  # noqa: FBT001  # Django's own signature
        """Say it through the service."""
        kind, subject = (obj.kind, obj.subject) if change else (form.kind, form.subject)
        _say(obj, organization_id=seat_of(request).organization.id, kind=kind, subject=subject, said=form.said)

    def delete_model(self, request: HttpRequest, obj: RateLimit) -> None:
        services.remove_limits(obj)


class StaffLimitAdmin(RuleColumns, ModelAdmin):
    """Rules of every organization. Staff replace the platform's defaults, and may lift them."""

    form = StaffRuleForm
    list_display: ClassVar = ("organization", "kind", "shown_subject", "shown_limits", "set_by_staff")
    list_select_related: ClassVar = ("organization",)
    list_filter: ClassVar = ("kind", "set_by_staff")
    search_fields: ClassVar = ("organization__slug", "subject")
    autocomplete_fields: ClassVar = ("organization",)
    show_full_result_count = False
    actions = None

    def get_queryset(self, request: HttpRequest) -> Any:
        return _named(super().get_queryset(request))

    def get_readonly_fields(self, request: HttpRequest, obj: RateLimit | None = None) -> Any:
        return ("organization", "kind", "subject") if obj else ()

    def has_change_permission(self, request: HttpRequest, obj: RateLimit | None = None) -> bool:
        """What members said is theirs to change; it never lifts anything."""
        return super().has_change_permission(request, obj) and (obj is None or obj.set_by_staff)

    def has_delete_permission(self, request: HttpRequest, obj: RateLimit | None = None) -> bool:
        return super().has_delete_permission(request, obj) and (obj is None or obj.set_by_staff)

    def save_model(self, request: HttpRequest, obj: RateLimit, form: Any, change: bool) -> None:  # noqa: FBT001  # Django's own signature
        """Say it through the service."""
        _say(obj, organization_id=obj.organization_id, kind=obj.kind, subject=obj.subject, said=form.said)

    def delete_model(self, request: HttpRequest, obj: RateLimit) -> None:
        services.remove_limits(obj)


def _named(rules: Any) -> Any:
    """The rules, with the names of the keys and agents that they are about."""

    def of(row: Any, field: str) -> Subquery:
        rows = row.objects.annotate(id_text=Cast("pk", CharField())).filter(id_text=OuterRef("subject"))
        return Subquery(rows.values(field)[:1])

    return rules.annotate(key_name=of(ApiKey, "name"), agent_slug=of(Agent, "slug"))


def _say(obj: RateLimit, *, organization_id: UUID, kind: str, subject: str, said: Limits) -> None:
    rule = services.set_limits(organization_id=organization_id, kind=kind, subject=subject, limits=said)
    obj.__dict__.update(rule.__dict__)


def _exists(row: Any, subject: str, organization_id: UUID) -> bool:
    try:
        return bool(row.objects.filter(pk=UUID(subject), organization_id=organization_id).exists())
    except ValueError:
        return False
