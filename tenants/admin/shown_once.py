"""The one page that shows a secret that was just made."""

from typing import Any

from django.contrib.admin import ModelAdmin
from django.http import HttpRequest
from django.template.response import TemplateResponse

from tenants.secret import Secret


def shown_once(
    admin: "ModelAdmin[Any]", request: HttpRequest, *, template: str, title: str, secret: Secret
) -> TemplateResponse:
    """The page, which nothing on the way keeps and whose address tells nobody whence one came."""
    context = {
        **admin.admin_site.each_context(request), "title": title, "opts": admin.opts, "secret": secret.reveal(),
    }  # fmt: skip
    response = TemplateResponse(request, template, context)
    response["Cache-Control"] = "no-store"
    response["Referrer-Policy"] = "no-referrer"
    return response
