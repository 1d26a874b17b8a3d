"""MCP servers of an organization: where they are, what they offer, and which of it was approved."""

from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from unfold import widgets
from unfold.decorators import display

from agents.errors import MCPServerNotFound, WrongMCPServer
from agents.models import MCPServer
from agents.models.mcp_server import MCPState
from agents.services import mcp_servers
from tenants.admin.seats import MemberAdmin, StaffRecordAdmin, allows, seat_of, uuid_or_404
from tenants.models import ProviderCredential
from tenants.permissions import AGENTS_WRITE

STATE_LABELS = {
    "Not looked at yet": "info", "As approved": "success", "Waits for approval": "warning", "Cannot be used": "danger",
}  # fmt: skip
PROVIDER = "mcp"


class ServerForm(forms.ModelForm):
    """A server that an organization names, and how far it is trusted with time and money."""

    credential_id = forms.ChoiceField(
        label="Credential",
        required=False,
        widget=widgets.UnfoldAdminSelectWidget(),
        help_text="One that is stored for the provider 'mcp' with this very address; it is sent as a bearer token.",
    )

    class Meta:
        model = MCPServer
        fields: ClassVar = ("name", "transport", "url", "credential_id", "timeout_s", "most_credits", "enabled")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = ProviderCredential.objects.filter(provider=PROVIDER).order_by("label")
        self.fields["credential_id"].choices = [("", "None"), *((str(row.pk), str(row)) for row in known)]  # type: ignore[attr-defined]  # a ChoiceField

    def clean_credential_id(self) -> UUID | None:
        """None for none."""
        chosen = self.cleaned_data["credential_id"]
        return UUID(chosen) if chosen else None

    def clean(self) -> dict[str, Any]:
        """Nobody but the operator says what is started here, and nothing inside is reached."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if not self.errors:
            names = ("name", "transport", "url")
            try:
                mcp_servers.check(MCPServer(**{name: cleaned.get(name, "") for name in names}))
            except WrongMCPServer as error:
                self.add_error(error.field, str(error))
        return cleaned


class ServerColumns:
    """How one is written, on both sites."""

    @display(description="State", label=STATE_LABELS)
    def shown_state(self, server: MCPServer) -> str:
        """What was found when it was looked at last."""
        return server.get_state_display()

    @display(description="Tools")
    def shown_tools(self, server: MCPServer) -> str:
        """How many agents may use."""
        return f"{len(server.approved)} of {len(server.seen)}"


class MemberMCPServerAdmin(ServerColumns, MemberAdmin):
    """Looked at and approved on its own page: agents use what was approved there, and nothing else."""

    reads = AGENTS_WRITE
    writes = AGENTS_WRITE
    form = ServerForm
    list_display: ClassVar = ("name", "transport", "url", "shown_state", "shown_tools", "checked_at")
    search_fields: ClassVar = ("name", "url")
    change_form_outer_before_template = "console/mcp_tools.html"

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return allows(request, AGENTS_WRITE)

    def save_model(self, request: HttpRequest, obj: MCPServer, form: Any, change: bool) -> None:  # noqa: FBT001  # Django's own signature
        obj.organization_id = seat_of(request).organization.id
        mcp_servers.save(obj)

    def delete_model(self, request: HttpRequest, obj: MCPServer) -> None:
        mcp_servers.remove(obj)

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(f"<uuid:server_id>/{word}/", self.admin_site.admin_view(view), name=f"agents_mcpserver_{word}")
            for word, view in (("look", self.look), ("approve", self.approve))
        ]
        return [*own, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Above the form stands what the server offers."""
        server = MCPServer.objects.filter(pk=uuid_or_404(object_id)).first()
        shown = {} if server is None else {"server": server, "tools": mcp_servers.compared(server)}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **shown})

    def look(self, request: HttpRequest, server_id: UUID) -> HttpResponse:
        """Ask the server what it offers."""
        return self._done(request, server_id, lambda: mcp_servers.look(server_id))

    def approve(self, request: HttpRequest, server_id: UUID) -> HttpResponse:
        """Let agents use what was ticked, as it was seen last."""
        names = request.POST.getlist("tool")
        return self._done(request, server_id, lambda: mcp_servers.approve(server_id, names))

    def _done(self, request: HttpRequest, server_id: UUID, do: Any) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not allows(request, AGENTS_WRITE):
            raise PermissionDenied
        try:
            server: MCPServer = do()
        except MCPServerNotFound:
            raise Http404 from None
        if server.error:
            messages.error(request, f"{server.name} cannot be used: {server.error}")
        elif server.state == MCPState.CHANGED:
            messages.warning(request, f"{server.name} offers something else than was approved: see below.")
        else:
            messages.success(request, f"{server.name}: {len(server.approved)} of {len(server.seen)} tools approved.")
        return HttpResponseRedirect(reverse("console:agents_mcpserver_change", args=(server_id,)))


class StaffMCPServerAdmin(ServerColumns, StaffRecordAdmin):
    """Everybody's."""

    list_display: ClassVar = ("organization", "name", "transport", "url", "shown_state", "checked_at")
    list_filter: ClassVar = ("state", "transport")
    list_select_related: ClassVar = ("organization",)
    search_fields: ClassVar = ("organization__slug", "name", "url")
    fields: ClassVar = (
        "organization",
        "name",
        "transport",
        "url",
        "enabled",
        "shown_state",
        "shown_tools",
        "checked_at",
    )
    readonly_fields: ClassVar = fields
