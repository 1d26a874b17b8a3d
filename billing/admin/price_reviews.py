"""The page on which a draft of prices is looked at: what it changes, what looks mistaken, and who publishes it."""

from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from billing.admin.price_words import place_of, price_of
from billing.models import PriceItem, PriceVersion
from billing.price_review import DOUBTS, PriceChange, Review, review
from billing.publishing import PublicationRefused, accept_price, drop_price, publish_version

SHOWN = 200
KINDS = ("changed", "added", "removed")


class DecisionForm(forms.Form):
    """What becomes of a price that looks mistaken, or of the whole draft."""

    decision = forms.ChoiceField(choices=[(name, name) for name in ("accept", "drop", "publish")])
    item_id = forms.IntegerField(required=False)
    reason = forms.CharField(required=False, max_length=500)

    def clean(self) -> dict[str, Any]:
        """A price is named; accepting it is explained."""
        cleaned: dict[str, Any] = super().clean() or {}
        if cleaned.get("decision") in ("accept", "drop") and not cleaned.get("item_id"):
            self.add_error("item_id", "Name the price.")
        if cleaned.get("decision") == "accept" and not cleaned.get("reason"):
            self.add_error("reason", "Say why this price is right.")
        return cleaned


@dataclass(frozen=True, kw_only=True)
class Row:
    """A change as the page shows it."""

    model: str
    what: str
    old: str
    new: str
    factor: str
    doubt: str
    item_id: int | None


def review_page(site: AdminSite, request: HttpRequest, version: PriceVersion, *, may_change: bool) -> HttpResponse:
    """Show what a draft changes; take a decision about one of its prices, or about all of it."""
    here = reverse(f"{site.name}:billing_priceversion_review", args=(version.pk,))
    if request.method == "POST":
        if not may_change:
            raise Http404
        if _decide(request, version):
            here = reverse(f"{site.name}:billing_priceversion_changelist")
        return HttpResponseRedirect(here)
    found = review(version.pk)
    kind = request.GET.get("kind", "")
    shown = [change for change in found.changes if kind not in KINDS or change.kind == kind]
    context = {
        **site.each_context(request),
        "title": f"Review {version}",
        "opts": PriceVersion._meta,
        "version": version,
        "here": here,
        "counts": found.counts,
        "kinds": KINDS,
        "doubtful": [_row(change) for change in found.doubtful[:SHOWN]],
        "doubts_left": len(found.doubtful),
        "changes": [_row(change) for change in shown[:SHOWN]],
        "hidden": max(len(shown) - SHOWN, 0),
        "needs_another": found.needs_another,
        "may_publish": may_change and version.state == PriceVersion.State.DRAFT and not found.doubtful,
        "is_author": _is_author(request, version, found),
    }
    return TemplateResponse(request, "admin/price_review.html", context)


def _decide(request: HttpRequest, version: PriceVersion) -> bool:
    """Do what was asked; whether the draft is published now."""
    form = DecisionForm(request.POST)
    if not form.is_valid():
        for errors in form.errors.values():
            messages.error(request, " ".join(map(str, errors)))
        return False
    asked, who = form.cleaned_data, str(request.user)
    try:
        if asked["decision"] == "publish":
            publish_version(version_id=version.pk, published_by=who)
            messages.success(request, f"{version} holds from now on.")
            return True
        if not PriceItem.objects.filter(version=version, pk=asked["item_id"]).exists():
            raise PublicationRefused("This price is not in the draft any more.")
        if asked["decision"] == "accept":
            accept_price(item_id=asked["item_id"], reason=asked["reason"], accepted_by=who)
        else:
            drop_price(item_id=asked["item_id"])
    except PublicationRefused as refused:
        messages.error(request, str(refused))
    return False


def _is_author(request: HttpRequest, version: PriceVersion, found: Review) -> bool:
    return found.needs_another and str(request.user) in (version.created_by, *version.editors)


def _row(change: PriceChange) -> Row:
    return Row(
        model=change.model,
        what=place_of(change.unit, service_tier=change.service_tier, context_from=change.context_from),
        old="" if change.old_pico is None else price_of(change.unit, change.old_pico),
        new="" if change.new_pico is None else price_of(change.unit, change.new_pico),
        factor="" if change.factor is None else f"x {change.factor:.3g}",
        doubt=DOUBTS.get(change.doubt, ""),
        item_id=change.item_id,
    )
