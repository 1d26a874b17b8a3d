"""The catalogue: every skill there is here, with what its README says."""

import inspect
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import nh3
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt

from agents.admin.skills_offered import offered_skills
from agents.services.tool_prices import tools_of
from skills.sdk import Skill
from tenants.admin.seats import allows
from tenants.permissions import AGENTS_READ

LARGEST_README = 100_000
TAGS = frozenset(
    ("a", "blockquote", "code", "em", "h1", "h2", "h3", "li", "ol", "p", "pre", "strong", "table", "tbody", "td", "th",
     "thead", "tr", "ul")
)  # fmt: skip


def addresses(site: AdminSite) -> list[URLPattern]:
    """The pages, to be put before a site's own."""
    pages = (("skills/", _all, "skills"), ("skills/<slug:name>/", _one, "skill"))
    return [path(route, site.admin_view(_for_readers(site, view)), name=name) for route, view, name in pages]


def _for_readers(site: AdminSite, view: Any) -> Any:
    def shown(request: HttpRequest, **arguments: str) -> HttpResponse:
        if not allows(request, AGENTS_READ):
            raise PermissionDenied
        answer: HttpResponse = view(site, request, **arguments)
        return answer

    return shown


def _all(site: AdminSite, request: HttpRequest) -> HttpResponse:
    shown = [
        (name, (inspect.getdoc(skill) or "").partition("\n\n")[0], len(list(tools_of(skill))))
        for name, skill in offered_skills()
    ]
    context = {**site.each_context(request), "title": "Skills", "skills": shown}
    return TemplateResponse(request, "console/skills.html", context)


def _one(site: AdminSite, request: HttpRequest, name: str) -> HttpResponse:
    known = dict(offered_skills())
    if name not in known:
        raise Http404
    context = {**site.each_context(request), "title": name, "readme": readme_of(known[name])}
    return TemplateResponse(request, "console/skill.html", context)


def readme_of(skill: type[Skill]) -> SafeString:
    """A skill's README as HTML in which nothing runs and no picture is fetched; its description where it has none."""
    file = Path(inspect.getfile(skill)).parent / "README.md"
    text = file.read_text(encoding="utf-8")[:LARGEST_README] if file.is_file() else f"# {skill.name}\n\n{skill.__doc__}"
    made = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    clean = nh3.clean(
        made,
        tags=set(TAGS),
        attributes={"a": {"href"}},
        url_schemes={"http", "https"},
        attribute_filter=_only_whole_addresses,
        link_rel="noopener noreferrer",
    )
    return mark_safe(clean)  # noqa: S308 - cleaned just above


def _only_whole_addresses(_: str, attribute: str, value: str) -> str | None:
    """A README's links into its repository lead nowhere here."""
    return value if attribute != "href" or urlsplit(value).scheme in ("http", "https") else None
