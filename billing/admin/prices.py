"""Prices: versions of the lists, drafted item by item and published as a whole."""

from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from unfold import widgets
from unfold.admin import ModelAdmin
from unfold.decorators import action, display

from billing.admin.price_reviews import review_page
from billing.admin.price_words import price_of, scale_of
from billing.amounts import PICOS_PER_DOLLAR_A_MILLION, plain
from billing.dollar_fields import DollarsField
from billing.models import PriceItem, PriceVersion
from billing.price_review import DOUBTS, review
from billing.publishing import PublicationRefused, copy_version, note_editor, publish_version
from billing.units import MOST_PIECE_PICO

_COPIED = ", copied "
STATE_LABELS = {"draft": "info", "published": "success"}


class StaffPriceVersionAdmin(ModelAdmin):
    """The versions of every price list. A published one never changes: draft the next."""

    list_display: ClassVar = (
        "name",
        "price_list",
        "shown_state",
        "valid_from",
        "valid_to",
        "created_by",
        "published_by",
    )
    list_filter: ClassVar = ("state", "price_list")
    list_select_related: ClassVar = ("price_list",)
    search_fields: ClassVar = ("name",)
    ordering: ClassVar = ("-id",)
    actions: ClassVar = ("publish", "copy")
    actions_row: ClassVar = ("look",)
    actions_detail: ClassVar = ("look",)

    @display(description="State", label=STATE_LABELS)
    def shown_state(self, version: PriceVersion) -> str:
        """The state as a coloured word."""
        return version.state

    def get_fields(self, request: HttpRequest, obj: PriceVersion | None = None) -> Any:
        if obj is None:
            return ("price_list", "name")
        return (
            *("price_list", "name", "state", "source", "valid_from", "valid_to", "created_by", "editors"),
            *("published_by", "created_at"),
        )

    def get_readonly_fields(self, request: HttpRequest, obj: PriceVersion | None = None) -> Any:
        return () if obj is None else [name for name in self.get_fields(request, obj) if name != "name"]

    def has_change_permission(self, request: HttpRequest, obj: PriceVersion | None = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or obj.state == PriceVersion.State.DRAFT)

    def has_delete_permission(self, request: HttpRequest, obj: PriceVersion | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: PriceVersion, form: Any, change: bool) -> None:  # noqa: FBT001  # Django's own signature
        """Remember who drafted it."""
        obj.created_by = obj.created_by or str(request.user)
        super().save_model(request, obj, form, change)

    @action(description="Review", icon="fact_check")
    def look(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Lead to the page that shows what it changes."""
        return HttpResponseRedirect(reverse(f"{self.admin_site.name}:billing_priceversion_review", args=(object_id,)))

    def get_urls(self) -> list[URLPattern]:
        look = path(
            "<int:version_id>/review/", self.admin_site.admin_view(self.review_view), name="billing_priceversion_review"
        )
        return [look, *super().get_urls()]

    def review_view(self, request: HttpRequest, version_id: int) -> HttpResponse:
        """What the version changes, or changed."""
        version = PriceVersion.objects.filter(pk=version_id).first()
        if version is None or not self.has_view_permission(request, version):
            raise Http404
        may_change = self.has_change_permission(request, version)
        return review_page(self.admin_site, request, version, may_change=may_change)

    @action(description="Publish: these prices hold from now on")
    def publish(self, request: HttpRequest, queryset: Any) -> None:
        """End what holds now and let the draft hold."""
        for version in queryset:
            try:
                publish_version(version_id=version.pk, published_by=str(request.user))
            except PublicationRefused as error:
                messages.error(request, str(error))
            else:
                messages.success(request, f"{version} holds from now on.")

    @action(description="Copy as a new draft")
    def copy(self, request: HttpRequest, queryset: Any) -> None:
        """Begin the next version from this one's items."""
        for version in queryset:
            name = f"{version.name.partition(_COPIED)[0][:40]}{_COPIED}{timezone.now():%Y-%m-%d %H:%M:%S.%f}"
            draft = copy_version(version_id=version.pk, name=name, created_by=str(request.user))
            messages.success(request, f"Drafted {draft} from {version}.")


class PriceItemForm(forms.ModelForm):
    """One price, in dollars: per million of what there are many of, each of what there are few of; a fee in percent."""

    price = DollarsField(
        scale=PICOS_PER_DOLLAR_A_MILLION,
        label="Price ($ per 1 M tokens)",
        help_text="For images, seconds, pages, searches and requests: dollars each. For a fee: percent of the price.",
    )
    most = forms.IntegerField(
        required=False,
        min_value=1,
        label="Most",
        help_text="The most units one call can use, if known.",
        widget=widgets.UnfoldAdminIntegerFieldWidget(),
    )

    class Meta:
        model = PriceItem
        fields: ClassVar = ("version", "model", "unit", "service_tier", "context_from", "price", "most")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        unit = self.instance.unit
        if unit:
            scale = 100 if unit == PriceItem.Unit.BASIS_POINTS else scale_of(unit)
            self.initial["price"] = plain(self.instance.price, scale=scale)

    def clean(self) -> dict[str, Any]:
        """A fee is kept in hundredths of a percent, a price in picodollars."""
        cleaned: dict[str, Any] = super().clean() or {}
        unit = cleaned.get("unit")
        if not unit or "price" not in cleaned:
            return cleaned
        if unit == PriceItem.Unit.BASIS_POINTS:
            points, finer = divmod(cleaned["price"], PICOS_PER_DOLLAR_A_MILLION // 100)
            if finer:
                self.add_error("price", "A fee has at most two decimals.")
            cleaned["price"] = points
        else:
            cleaned["price"] *= scale_of(unit) // PICOS_PER_DOLLAR_A_MILLION
            if cleaned["price"] > MOST_PIECE_PICO:
                self.add_error("price", "Nothing costs more than ten dollars each.")
        return cleaned


class StaffPriceItemAdmin(ModelAdmin):
    """Single prices; those of a published version are history."""

    form = PriceItemForm
    list_display: ClassVar = ("model", "unit", "service_tier", "shown_price", "context_from", "version")
    list_filter: ClassVar = ("unit", "version__price_list", "version__state")
    list_select_related: ClassVar = ("version",)
    search_fields: ClassVar = ("model",)
    ordering: ClassVar = ("model", "unit")
    show_full_result_count = False

    @display(description="Price", ordering="price")
    def shown_price(self, item: PriceItem) -> str:
        """The price as people compare it; a fee is a share."""
        return price_of(item.unit, item.price)

    def save_model(self, request: HttpRequest, obj: PriceItem, form: Any, change: bool) -> None:  # noqa: FBT001  # Django's own signature
        """Remember who changed the draft, and say at once when the price looks mistaken."""
        super().save_model(request, obj, form, change)
        for version_id in {obj.version_id, form.initial.get("version", obj.version_id)}:
            note_editor(version_id=version_id, editor=str(request.user))
        for each in review(obj.version_id).doubtful:
            if each.item_id == obj.pk:
                advice = "Before the draft is published somebody accepts this price on its review page."
                messages.warning(request, f"{DOUBTS[each.doubt]} {advice}")

    def delete_model(self, request: HttpRequest, obj: PriceItem) -> None:
        """Remember who changed the draft."""
        note_editor(version_id=obj.version_id, editor=str(request.user))
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        """Remember who changed the drafts."""
        for version_id in set(queryset.values_list("version_id", flat=True)):
            note_editor(version_id=version_id, editor=str(request.user))
        super().delete_queryset(request, queryset)

    def has_change_permission(self, request: HttpRequest, obj: PriceItem | None = None) -> bool:
        return super().has_change_permission(request, obj) and (
            obj is None or obj.version.state == PriceVersion.State.DRAFT
        )

    def has_delete_permission(self, request: HttpRequest, obj: PriceItem | None = None) -> bool:
        return obj is not None and self.has_change_permission(request, obj)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Only drafts can be added to."""
        if db_field.name == "version":
            kwargs["queryset"] = PriceVersion.objects.filter(state=PriceVersion.State.DRAFT)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)
