"""What an agent is made of: the fields that a draft holds and a version freezes."""

from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator
from django.db import models

from tenants.models import TenantModel

MAX_MARKUP_BPS = 100_000
MAX_PER_RUN_NANOS = 1_000 * 10**9
MAX_TOKEN_PICO = 10**10


class OnDisconnect(models.TextChoices):
    """What becomes of a run whose client leaves."""

    ABORT = "abort", "Stop at once"
    FINISH = "finish", "Finish, for at most a minute"


class Definition(TenantModel):
    """Everything about an agent that changes how it behaves or what it costs, its skills excepted."""

    instructions = models.TextField(blank=True, help_text="What the agent is told before anything else.")
    model = models.CharField(
        max_length=200, help_text="`provider/model`, such as openai/gpt-4o-mini or scripted/persona."
    )
    sampling = models.JSONField(
        default=dict, blank=True, help_text="Defaults of the model's parameters, by their OpenAI names."
    )
    locked = ArrayField(
        models.CharField(max_length=64),
        default=list,
        blank=True,
        help_text="Parameters that a request may not override.",
    )
    drop_unsupported = models.BooleanField(
        default=False, help_text="Drop parameters that the model does not take, instead of refusing the request."
    )
    limits = models.JSONField(default=dict, blank=True, help_text="Limits of a run that differ from the defaults.")
    on_disconnect = models.CharField(max_length=8, choices=OnDisconnect.choices, default=OnDisconnect.ABORT)
    keeps_content = models.BooleanField(
        default=False, help_text="Keep what was said in a run, for the caller's organization to read."
    )
    price_per_run_nanos = models.PositiveBigIntegerField(
        default=0,
        validators=[MaxValueValidator(MAX_PER_RUN_NANOS)],
        help_text="Added to each run that is served, in nanodollars.",
    )
    markup_bps = models.PositiveIntegerField(
        default=0,
        validators=[MaxValueValidator(MAX_MARKUP_BPS)],
        help_text="Added to the model's cost, in hundredths of a percent.",
    )
    input_price_pico = models.PositiveBigIntegerField(
        null=True,
        blank=True,
        validators=[MaxValueValidator(MAX_TOKEN_PICO)],
        help_text="The agent's own price of an input token, in picodollars.",
    )
    output_price_pico = models.PositiveBigIntegerField(
        null=True,
        blank=True,
        validators=[MaxValueValidator(MAX_TOKEN_PICO)],
        help_text="The agent's own price of an output token, in picodollars.",
    )

    tool_prices = models.JSONField(
        default=dict,
        db_default={},
        blank=True,
        help_text="What a call of a tool costs in place of its own price, in nanodollars by the tool's name.",
    )

    class Meta(TenantModel.Meta):
        abstract = True
        constraints: ClassVar[list[Any]] = [
            models.CheckConstraint(
                condition=models.Q(markup_bps__lte=MAX_MARKUP_BPS), name="%(app_label)s_%(class)s_markup_bounded"
            ),
            models.CheckConstraint(
                condition=models.Q(
                    price_per_run_nanos__lte=MAX_PER_RUN_NANOS,
                    input_price_pico__lte=MAX_TOKEN_PICO,
                    output_price_pico__lte=MAX_TOKEN_PICO,
                ),
                name="%(app_label)s_%(class)s_prices_bounded",
            ),
            models.CheckConstraint(
                condition=models.Q(on_disconnect__in=OnDisconnect.values),
                name="%(app_label)s_%(class)s_on_disconnect_known",
            ),
        ]
