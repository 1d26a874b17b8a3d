"""Prices: lists, their dated versions, and what one unit costs."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from billing.rating import BASIS_POINTS
from billing.units import MOST_PIECE_PICO, MOST_TOKEN_PICO, MOST_TOKENS, SERVICE_TIERS, SMALL, UNITS


class PriceList(models.Model):
    """A series of price versions: what providers cost the platform, or what the platform asks on top."""

    class Kind(models.TextChoices):
        """Whose price it is."""

        PROVIDER_COST = "provider_cost", "Provider cost"
        PLATFORM_FEE = "platform_fee", "Platform fee"

    id = models.BigAutoField(primary_key=True)
    kind = models.CharField(max_length=16, choices=Kind, unique=True)
    name = models.CharField(max_length=80)

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=Q(kind__in=("provider_cost", "platform_fee")), name="price_list_kind_known"
            ),
        )

    def __str__(self) -> str:
        return self.name


class PriceVersion(models.Model):
    """The prices of a list for a time. Once published nothing in it changes but the moment it ends."""

    class State(models.TextChoices):
        """Whether it counts."""

        DRAFT = "draft", "Draft"
        PUBLISHED = "published", "Published"

    id = models.BigAutoField(primary_key=True)
    price_list = models.ForeignKey(PriceList, models.PROTECT, related_name="versions")
    name = models.CharField(max_length=80)
    state = models.CharField(max_length=12, choices=State, db_default="draft", default="draft")
    valid_from = models.DateTimeField(null=True)
    valid_to = models.DateTimeField(null=True)
    source = models.CharField(max_length=120, db_default="", default="", help_text="Where the prices are from.")
    created_by = models.CharField(max_length=254)
    editors = ArrayField(models.CharField(max_length=254), db_default=[], default=list, help_text="Who changed it.")
    published_by = models.CharField(max_length=254, db_default="", default="")
    created_at = models.DateTimeField(db_default=models.functions.Now())

    class Meta:
        constraints = (
            models.CheckConstraint(condition=Q(state__in=("draft", "published")), name="price_version_state_known"),
            models.CheckConstraint(
                condition=~Q(state="published") | Q(valid_from__isnull=False), name="price_version_starts_somewhen"
            ),
            models.CheckConstraint(
                condition=Q(valid_to__isnull=True) | Q(valid_to__gte=F("valid_from")), name="price_version_ends_after"
            ),
            models.UniqueConstraint(fields=("price_list", "name"), name="price_version_name"),
        )

    def __str__(self) -> str:
        return self.name


class PriceItem(models.Model):
    """What one unit of one model costs, from `context_from` input tokens on."""

    class Unit(models.TextChoices):
        """What is counted."""

        INPUT = "input", "Input token"
        CACHED_INPUT = "cached_input", "Cached input token"
        CACHE_WRITE = "cache_write", "Input token written to the cache"
        CACHE_WRITE_1H = "cache_write_1h", "Input token written to the cache for an hour"
        INPUT_AUDIO = "input_audio", "Audio input token"
        INPUT_IMAGE = "input_image", "Image input token"
        OUTPUT = "output", "Output token"
        REASONING = "reasoning", "Reasoning token"
        OUTPUT_AUDIO = "output_audio", "Audio output token"
        OUTPUT_IMAGE = "output_image", "Image output token"
        CITATION = "citation", "Token of a cited source"
        SEARCH = "search", "Search"
        IMAGE_IN = "image_in", "Image sent"
        IMAGE_OUT = "image_out", "Image made"
        PIXEL_IN = "pixel_in", "Pixel sent"
        PIXEL_OUT = "pixel_out", "Pixel made"
        SECOND_IN = "second_in", "Second of sound or film sent"
        SECOND_OUT = "second_out", "Second of sound or film made"
        CHARACTER_IN = "character_in", "Character sent"
        CHARACTER_OUT = "character_out", "Character made"
        PAGE = "page", "Page"
        REQUEST = "request", "Request"
        BASIS_POINTS = "basis_points", "Basis points of the price"

    class ServiceTier(models.TextChoices):
        """How fast it is done."""

        USUAL = "", "Usual"
        BATCH = "batch", "Batch"
        FLEX = "flex", "Flex"
        PRIORITY = "priority", "Priority"

    id = models.BigAutoField(primary_key=True)
    version = models.ForeignKey(PriceVersion, models.PROTECT, related_name="items", db_index=False)
    model = models.CharField(max_length=200, help_text="`provider/model`, or `*`.")
    unit = models.CharField(max_length=16, choices=Unit)
    service_tier = models.CharField(max_length=8, choices=ServiceTier, blank=True, db_default="", default="")
    context_from = models.PositiveIntegerField(db_default=0, default=0, help_text="Input tokens above which it holds.")
    price = models.PositiveBigIntegerField(help_text="Picodollars per unit.")
    most = models.PositiveBigIntegerField(null=True, help_text="The most units one call can use, if known.")

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=Q(unit__in=(*UNITS, "basis_points")),
                name="price_item_unit_known",
            ),
            models.CheckConstraint(condition=Q(service_tier__in=SERVICE_TIERS), name="price_item_service_tier_known"),
            models.CheckConstraint(
                condition=Q(price__lte=BASIS_POINTS)
                | (Q(unit__in=sorted(SMALL)) & Q(price__lte=MOST_TOKEN_PICO))
                | (~Q(unit__in=(*sorted(SMALL), "basis_points")) & Q(price__lte=MOST_PIECE_PICO)),
                name="price_item_price_bounded",
                violation_error_message="No token costs more than a cent, nothing more than ten dollars, and no share "
                "is more than the whole.",
            ),
            models.CheckConstraint(
                condition=Q(most__isnull=True) | Q(most__lte=MOST_TOKENS), name="price_item_most_bounded"
            ),
            models.UniqueConstraint(
                fields=("version", "model", "unit", "service_tier", "context_from"), name="price_item_key"
            ),
        )

    def __str__(self) -> str:
        return f"{self.model} {self.unit}"


class PriceAcceptance(models.Model):
    """A price that looks mistaken and is not, says somebody; another price needs another acceptance."""

    id = models.BigAutoField(primary_key=True)
    version = models.ForeignKey(PriceVersion, models.PROTECT, related_name="acceptances", db_index=False)
    model = models.CharField(max_length=200)
    unit = models.CharField(max_length=16, choices=PriceItem.Unit)
    service_tier = models.CharField(max_length=8, blank=True, db_default="", default="")
    context_from = models.PositiveIntegerField(db_default=0, default=0)
    price = models.PositiveBigIntegerField(help_text="Picodollars per unit.")
    reason = models.CharField(max_length=500)
    accepted_by = models.CharField(max_length=254)
    created_at = models.DateTimeField(db_default=models.functions.Now())

    class Meta:
        constraints = (
            models.CheckConstraint(condition=~Q(reason="") & ~Q(accepted_by=""), name="price_acceptance_is_explained"),
            models.UniqueConstraint(
                fields=("version", "model", "unit", "service_tier", "context_from", "price"),
                name="price_acceptance_key",
            ),
        )

    def __str__(self) -> str:
        return f"{self.model} {self.unit}"
