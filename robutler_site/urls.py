"""The URLs Django answers; completions, `/live` and `/ready` are answered before it, in `asgi.py`."""

from importlib.util import find_spec

from django.urls import URLPattern, URLResolver, include, path

from robutler_site.admin import console, staff
from robutler_site.tenancy import choose_organization

urlpatterns: list[URLPattern | URLResolver] = [
    path("console/organization/<uuid:organization_id>/", choose_organization, name="choose_organization"),
    path("console/", console.urls),
    path("admin/", staff.urls),
    *([path("", include("api.urls"))] if find_spec("api.urls") else []),
]
