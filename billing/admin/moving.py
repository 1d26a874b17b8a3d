"""Pages on which staff moves money: a form, what it is about, and what the books say to it."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from unfold.admin import ModelAdmin

from billing.admin.move_forms import MoveForm
from billing.errors import BillingError
from tenants.admin.seats import signed_in
from tenants.ids import uuid7


def say_who_approves(request: HttpRequest) -> None:
    """Tell the one who asked why there is nothing to press."""
    messages.info(request, "You asked for this, so it takes another superuser to approve it.")


def moving(
    request: HttpRequest,
    admin: ModelAdmin,
    form_class: type[MoveForm],
    *,
    back: str,
    title: str,
    facts: Sequence[tuple[str, str]] = (),
    about: Mapping[str, Any] | None = None,
    initial: Mapping[str, Any] | None = None,
) -> HttpResponse:
    """Show a form and do what it says; sending it twice moves once. What the books refuse is said on the form."""
    form = form_class(
        request.POST if request.method == "POST" else None,
        initial={"id": uuid7(), **(initial or {})},
        about=about or {},
    )
    if request.method == "POST" and form.is_valid():
        try:
            said = form.move(actor=str(signed_in(request)))
        except BillingError as refused:
            form.add_error(None, str(refused))
        else:
            messages.success(request, said)
            return HttpResponseRedirect(back)
    context = {
        **admin.admin_site.each_context(request),
        "title": title,
        "opts": admin.opts,
        "form": form,
        "facts": facts,
        "verb": form.verb,
        "back": back,
    }
    return TemplateResponse(request, "admin/move.html", context)
