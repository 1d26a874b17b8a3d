"""The page of templates: an agent to begin with is a button away."""

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from agents.errors import AgentNotFound
from agents.services import templates
from tenants.admin.seats import allows
from tenants.permissions import AGENTS_WRITE


def addresses(site: AdminSite) -> list[URLPattern]:
    """The pages, to be put before a site's own."""

    def listed(request: HttpRequest) -> HttpResponse:
        _check(request)
        context = {**site.each_context(request), "title": "Templates", "templates": templates.offered()}
        return TemplateResponse(request, "console/templates.html", context)

    def used(request: HttpRequest, name: str) -> HttpResponse:
        _check(request)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        try:
            made = templates.create_from(name)
        except AgentNotFound:
            raise Http404 from None
        messages.success(request, f"{made.name} is a draft: choose a model, change what you like, and publish it.")
        return HttpResponseRedirect(reverse(f"{site.name}:agents_agent_change", args=(made.pk,)))

    return [
        path("templates/", site.admin_view(listed), name="templates"),
        path("templates/<slug:name>/", site.admin_view(used), name="template"),
    ]


def _check(request: HttpRequest) -> None:
    if not allows(request, AGENTS_WRITE):
        raise PermissionDenied
