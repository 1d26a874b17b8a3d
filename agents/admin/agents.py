"""Agents: the page on which a member makes one, and staff's view of everybody's."""

from typing import Any, ClassVar
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from unfold.decorators import action, display

from agents.admin import agent_layout
from agents.admin.agent_form import AgentForm, form_class
from agents.admin.example_bills import example_shown
from agents.admin.known_models import known_models
from agents.errors import InvalidDraft, NotPublished
from agents.models import Agent, AgentVersion
from agents.services import publishing
from agents.services.drafts import fallbacks_of
from billing import pricing
from billing.admin.budgets import budgets_shown
from billing.amounts import PICOS_PER_DOLLAR_A_MILLION, dollars, plain
from billing.pricing import AgentPrice
from skills import registry
from skills.sdk import ModelSkill
from tenants.admin.seats import MemberAdmin, StaffRecordAdmin, allows, seat_of, uuid_or_404
from tenants.context import atomic
from tenants.models import ProviderCredential
from tenants.permissions import AGENTS_READ, AGENTS_WRITE

STATUS_LABELS = {"Published": "success", "Draft": "info", "Disabled": "danger"}


def status_of(agent: Agent) -> str:
    """Whether callers reach the agent, in a word."""
    if agent.is_published:
        return "Published"
    return "Disabled" if agent.status == "disabled" else "Draft"


def price_of(agent: Agent) -> str:
    """What the owner asks, in a line."""
    asked = [f"{dollars(agent.price_per_run_nanos)} per run"] if agent.price_per_run_nanos else []
    for name, pico in (("input", agent.input_price_pico), ("output", agent.output_price_pico)):
        if pico is not None:
            asked.append(f"${plain(pico, scale=PICOS_PER_DOLLAR_A_MILLION)} per 1 M {name} tokens")
    if agent.markup_bps:
        asked.append(f"{plain(agent.markup_bps, scale=100)} % of the model's cost")
    for name, nanos in sorted(agent.tool_prices.items()):
        asked.append(f"{dollars(nanos)} per call of {name}")
    return ", ".join(asked)


class MemberAgentAdmin(MemberAdmin):
    """Create, change, publish and take back agents; every write goes through the publishing services."""

    reads = AGENTS_READ
    writes = AGENTS_WRITE
    form = AgentForm
    list_display: ClassVar = ("name", "slug", "model", "visibility", "shown_status", "shown_version", "updated_at")
    list_filter: ClassVar = ("visibility", "status")
    list_select_related: ClassVar = ("published_version",)
    search_fields: ClassVar = ("slug", "name")
    prepopulated_fields: ClassVar = {"slug": ("name",)}
    actions_submit_line: ClassVar = ("publish", "unpublish")
    ordering: ClassVar = ("slug",)
    change_form_template = "console/agent_form.html"
    change_form_outer_after_template = "console/agent_versions.html"
    warn_unsaved_form = True

    @display(description="Status", label=STATUS_LABELS)
    def shown_status(self, agent: Agent) -> str:
        """The status as a coloured word."""
        return status_of(agent)

    @display(description="Version")
    def shown_version(self, agent: Agent) -> str:
        """What is published."""
        return str(agent.published_version or "")

    @display(description="Skills")
    def shown_skills(self, agent: Agent) -> str:
        """The skills on the draft."""
        return ", ".join(choice.skill for choice in publishing.skills_of(agent) if choice.enabled)

    @display(description="Price")
    def shown_price(self, agent: Agent) -> str:
        """What the owner asks on top of the model's cost."""
        return price_of(agent)

    def get_fieldsets(self, request: HttpRequest, obj: Agent | None = None) -> Any:
        return agent_layout.to_edit() if allows(request, self.writes) else agent_layout.to_read()

    def get_readonly_fields(self, request: HttpRequest, obj: Agent | None = None) -> Any:
        if not allows(request, self.writes):
            return agent_layout.READ_FIELDS
        return ("slug",) if obj else ()

    def get_prepopulated_fields(self, request: HttpRequest, obj: Agent | None = None) -> Any:
        return {} if obj else self.prepopulated_fields

    def get_form(self, request: HttpRequest, obj: Agent | None = None, change: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002  # Django's own signature
        credentials = [(str(credential.pk), str(credential)) for credential in ProviderCredential.objects.all()]
        return super().get_form(request, obj, change=change, **{**kwargs, "form": form_class(credentials=credentials)})

    def save_model(self, request: HttpRequest, obj: Agent, form: Any, change: bool) -> None:  # noqa: FBT001  # Django's own signature
        """Hand the draft to the services, then do what the pressed button says."""
        if change:
            saved = publishing.save_draft(obj, skills=form.skills(), **form.draft())
        else:
            saved = publishing.create_agent(slug=obj.slug, skills=form.skills(), **form.draft())
        obj.__dict__.update(saved.__dict__)
        for pressed in self.get_actions_submit_line(request, obj.pk):
            if pressed.action_name in request.POST:
                pressed.method(request, obj)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:  # noqa: FBT001  # Django's own signature
        """Nothing is left to save: the services wrote the skills with the draft."""

    @action(description="Save and publish", icon="rocket_launch")
    def publish(self, request: HttpRequest, obj: Agent) -> None:
        """Make a version of the draft and point the address at it."""
        try:
            version = publishing.publish(obj)
        except InvalidDraft as error:
            messages.error(request, f"Saved, but not published: {error}")
        else:
            messages.success(request, f"Published as {version}: callers reach it now.")
            for skill in _idle_options(obj):
                messages.warning(request, f"The skill {skill} is switched off, so its options do not hold.")
            if not _has_price(obj):
                messages.warning(
                    request,
                    "This model, or one that it falls back on, has no price of its own, so every call is refused until "
                    "you set one under Price. For a free agent write 0 as its input price.",
                )

    @action(description="Unpublish", icon="visibility_off")
    def unpublish(self, request: HttpRequest, obj: Agent) -> None:
        """Take the agent off its address."""
        publishing.unpublish(obj)
        messages.success(request, "Unpublished: nobody reaches it now.")

    def get_urls(self) -> list[URLPattern]:
        rollback = path(
            "<uuid:agent_id>/rollback/<uuid:version_id>/",
            self.admin_site.admin_view(self.rollback_view),
            name="agents_agent_rollback",
        )
        return [rollback, *super().get_urls()]

    def rollback_view(self, request: HttpRequest, agent_id: UUID, version_id: UUID) -> HttpResponse:
        """Point the address at an older version; only ever by POST."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        agent = self.get_queryset(request).filter(pk=agent_id).first()
        version = AgentVersion.objects.filter(pk=version_id).first()
        if agent is None or version is None or not self.has_change_permission(request, agent):
            raise Http404
        try:
            publishing.rollback(agent, version)
        except NotPublished:
            raise Http404 from None
        messages.success(request, f"{version} is what callers reach now.")
        return HttpResponseRedirect(reverse(f"{self.admin_site.name}:agents_agent_change", args=(agent_id,)))

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """A new agent can be published at once, so its page has the same buttons. Two who save wait for each other."""
        shown: dict[str, Any] = {"show_save_and_add_another": False}
        if allows(request, self.writes):
            shown["models"] = known_models()
        if object_id is None:
            shown["actions_submit_line"] = self.get_actions_submit_line(request, None)
        with atomic():
            if object_id is not None and request.method == "POST":
                Agent.objects.select_for_update().filter(pk=uuid_or_404(object_id)).first()
            return super().changeform_view(request, object_id, form_url, {**shown, **(extra_context or {})})

    def get_actions_submit_line(self, request: HttpRequest, object_id: Any) -> Any:
        """Only what is published can be taken back."""
        offered = super().get_actions_submit_line(request, object_id)
        published = (
            object_id is not None and Agent.objects.filter(pk=object_id, published_version__isnull=False).exists()
        )
        return [button for button in offered if published or not button.action_name.endswith("_unpublish")]

    def response_add(self, request: HttpRequest, obj: Agent, post_url_continue: str | None = None) -> HttpResponse:
        """Show the agent that was made: its versions and how to call it are on its page."""
        return HttpResponseRedirect(reverse(f"{self.admin_site.name}:agents_agent_change", args=(obj.pk,)))

    def response_change(self, request: HttpRequest, obj: Agent) -> Any:
        """Stay with the agent after publishing; leave after saving."""
        if any(button.action_name in request.POST for button in self._get_base_actions_submit_line()):
            return HttpResponseRedirect(request.path)
        return super().response_change(request, obj)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> Any:
        versions = AgentVersion.objects.filter(agent_id=uuid_or_404(object_id)).select_related("agent")
        shown: dict[str, Any] = {
            "versions": versions.order_by("-number")[:50],
            "organization_slug": seat_of(request).organization.slug,
        }
        if agent := self.get_queryset(request).filter(pk=object_id).first():
            shown["example"] = example_shown(agent)
        money = budgets_shown(request, "agent", object_id)
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **shown, **money})


class StaffAgentAdmin(StaffRecordAdmin):
    """Every organization's agents, to look at: what an agent is told is its owner's business and is not shown."""

    list_display: ClassVar = ("slug", "organization", "name", "model", "visibility", "shown_status", "updated_at")
    list_filter: ClassVar = ("visibility", "status")
    list_select_related: ClassVar = ("organization",)
    search_fields: ClassVar = ("slug", "name", "organization__slug")
    fields: ClassVar = (
        *("organization", "slug", "name", "description", "visibility", "status", "model"),
        *("published_version", "shown_price", "created_at", "updated_at"),
    )
    ordering: ClassVar = ("organization__slug", "slug")

    @display(description="Price")
    def shown_price(self, agent: Agent) -> str:
        """What the owner asks on top of the model's cost."""
        return price_of(agent)

    @display(description="Status", label=STATUS_LABELS)
    def shown_status(self, agent: Agent) -> str:
        """The status as a coloured word."""
        return status_of(agent)

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("organization", "published_version")


def _idle_options(agent: Agent) -> list[str]:
    """The model skills that are set but switched off: that one need not be on to serve a model misleads."""
    return [
        choice.skill
        for choice in publishing.skills_of(agent)
        if choice.options and not choice.enabled and issubclass(registry.skill_class(choice.skill), ModelSkill)
    ]


def _has_price(agent: Agent) -> bool:
    own = AgentPrice(
        per_run_nanos=agent.price_per_run_nanos, input_pico=agent.input_price_pico, output_pico=agent.output_price_pico
    )
    models = (agent.model, *fallbacks_of(agent.model, publishing.skills_of(agent)))
    return own.explicit or all(map(pricing.is_priced, models))
