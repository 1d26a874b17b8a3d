"""GET /api/v1/billing/prices and /agents/{address}/pricing: what models cost, and what an agent asks on top."""

from typing import Any

from asgiref.sync import async_to_sync
from django.http import Http404
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from agents.services.price_tags import INPUT_TOKENS, OUTPUT_TOKENS, PriceTag, price_tag
from api.manage.amounts import NanosField, UsdField
from api.manage.pages import DEFAULT, MOST_AT_ONCE, page
from api.manage.views import ManageView
from api.openai.amounts import dollars, per_million, per_piece, percent
from billing import price_pages
from billing.pricing import is_counted_by_the_million


class PricesAsked(serializers.Serializer[Any]):
    """Which page of the models with a price."""

    search = serializers.CharField(required=False, default="", max_length=200, help_text="A part of their names.")
    after = serializers.CharField(required=False, default="", max_length=200, help_text="The last of the page before.")
    limit = serializers.IntegerField(required=False, default=DEFAULT, min_value=1, max_value=MOST_AT_ONCE)


class PriceItemShown(serializers.Serializer[Any]):
    """What one unit costs, at a service tier, in calls of more than `context_from` tokens of input."""

    unit = serializers.CharField()
    service_tier = serializers.CharField(help_text="Empty for the usual one.")
    context_from = serializers.IntegerField()
    price_pico = serializers.CharField(help_text="Picodollars for one.")
    price_usd = serializers.SerializerMethodField(help_text="Dollars per million tokens; dollars each for the rest.")
    per = serializers.SerializerMethodField(help_text="How many that is the price of.")
    most = serializers.IntegerField(allow_null=True, help_text="The most that one call uses, if that is known.")

    def get_price_usd(self, item: Any) -> str:
        """The price as people compare it."""
        return per_million(item.price_pico) if is_counted_by_the_million(item.unit) else per_piece(item.price_pico)

    def get_per(self, item: Any) -> int:
        """A million of what there are many of, one of what there are few of."""
        return 1_000_000 if is_counted_by_the_million(item.unit) else 1


class PriceShown(serializers.Serializer[Any]):
    """What a model costs. Kinds of tokens without an item cost what the kind costs that they are a part of."""

    id = serializers.CharField(source="model")
    object = serializers.CharField(default="price", read_only=True)
    currency = serializers.CharField(default="USD", read_only=True)
    price_version = serializers.IntegerField(source="version_id")
    items = PriceItemShown(many=True)


class LineShown(serializers.Serializer[Any]):
    """A line of a bill."""

    part = serializers.CharField()
    sku = serializers.CharField()
    unit = serializers.CharField()
    quantity = serializers.CharField()
    price_pico = serializers.CharField()
    amount_pico = serializers.CharField()
    billable = serializers.BooleanField()
    reason = serializers.CharField()


class ExampleShown(serializers.Serializer[Any]):
    """The bill of a run of one call: what the caller pays, and who gets which part of it."""

    input_tokens = serializers.IntegerField(default=INPUT_TOKENS, read_only=True)
    output_tokens = serializers.IntegerField(default=OUTPUT_TOKENS, read_only=True)
    cost_nanos = NanosField(source="bill.rated.cost_nanos")
    markup_nanos = NanosField(source="bill.rated.markup_nanos")
    fee_nanos = NanosField(source="bill.rated.fee_nanos")
    total_nanos = NanosField(source="bill.rated.total_nanos")
    total_usd = UsdField(source="bill.rated.total_nanos")
    creator_nanos = NanosField()
    creator_usd = UsdField(source="creator_nanos")
    platform_nanos = NanosField()
    platform_usd = UsdField(source="platform_nanos")
    lines = LineShown(many=True, source="bill.lines")


class Prices(ManageView):
    """What models cost. Everybody who is known here may look."""

    reads = None

    def get(self, request: Request) -> Response:
        """By name."""
        asked = self.asked(PricesAsked)
        found, has_more = price_pages.prices_page(search=asked["search"], after=asked["after"], limit=asked["limit"])
        return page([PriceShown(model).data for model in found], has_more=has_more)


class Price(ManageView):
    """What one model costs."""

    reads = None

    def get(self, request: Request, sku: str) -> Response:
        """The price of the model with this name."""
        found = price_pages.priced_model(sku)
        if found is None:
            raise Http404
        return Response(PriceShown(found).data)


class AgentPricing(ManageView):
    """What an agent costs whoever asks, and an example."""

    reads = None

    def get(self, request: Request, address: str) -> Response:
        """The agent at this address."""
        return Response(_shown(async_to_sync(price_tag)(self.caller, address)))


def _shown(tag: PriceTag) -> dict[str, Any]:
    terms = tag.terms
    return {
        "object": "agent_pricing",
        "agent": tag.address,
        "model": tag.agent.model,
        "currency": "USD",
        "per_run": dollars(terms.per_run_nanos),
        "markup_percent": percent(terms.markup_bps),
        "per_million_input_tokens": per_million(terms.input_pico),
        "per_million_output_tokens": per_million(terms.output_pico),
        "fee_percent": percent(terms.fee_bps),
        "platform_credential": terms.platform_credential,
        "price_version": terms.price_version_id,
        "example": ExampleShown(tag.example).data,
    }
