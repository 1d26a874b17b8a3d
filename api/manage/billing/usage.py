"""GET /api/v1/billing/usage: what an organization used and was charged, by time and by what it used."""

from datetime import timedelta
from typing import Any, Final

from django.http import HttpResponse
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.manage.amounts import NanosField, UsdField
from api.manage.views import ManageView
from billing import figures
from billing.spreadsheets import csv_lines, decimal_dollars

MOST_DAYS: Final = 400


class UsageAsked(serializers.Serializer[Any]):
    """Of which time, and split by what."""

    since = serializers.DateTimeField()
    until = serializers.DateTimeField()
    bucket = serializers.ChoiceField(
        ("hour", "day", "month"), required=False, help_text="UTC's; left out, all at once."
    )
    group_by = serializers.ChoiceField(("agent", "model", "key"), required=False)
    agent = serializers.CharField(max_length=200, required=False, help_text="Its address, as it was called.")
    model = serializers.CharField(max_length=200, required=False)
    key_id = serializers.UUIDField(required=False)
    format = serializers.ChoiceField(("json", "csv"), default="json")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """A span of whole hours, and not of forever."""
        for name in ("since", "until"):
            if attrs[name].minute or attrs[name].second or attrs[name].microsecond:
                raise serializers.ValidationError({name: "give a whole hour, such as 2026-11-01T00:00:00Z."})
        if not timedelta(0) < attrs["until"] - attrs["since"] <= timedelta(days=MOST_DAYS):
            raise serializers.ValidationError({"until": f"this is after 'since', by at most {MOST_DAYS} days."})
        return attrs


class PartShown(serializers.Serializer[Any]):
    """What one part of it came to."""

    start = serializers.DateTimeField(allow_null=True)
    group = serializers.CharField(allow_null=True)
    calls = serializers.IntegerField(source="usage.calls")
    input_tokens = serializers.IntegerField(source="usage.input_tokens")
    output_tokens = serializers.IntegerField(source="usage.output_tokens")
    charged_nanos = NanosField(source="usage.charged")
    charged_usd = UsdField(source="usage.charged")
    estimated_nanos = NanosField(source="usage.estimated", help_text="How much of it nobody but us measured.")


class Usage(ManageView):
    """What the organization used."""

    def get(self, request: Request) -> Response | HttpResponse:
        """Settled charges, by the hour of their settlement; those of the last seconds may be missing."""
        asked = self.asked(UsageAsked)
        span = figures.Span(
            since=asked["since"],
            until=asked["until"],
            organization_id=self.caller.organization_id,
            reference=asked.get("agent"),
            model=asked.get("model"),
            key_id=asked.get("key_id"),
        )
        parts = figures.parts(span, bucket=asked.get("bucket"), group=asked.get("group_by"))
        if asked["format"] == "csv":
            return _table(parts)
        return Response({"object": "usage", "data": [PartShown(part).data for part in parts]})


def _table(parts: Any) -> HttpResponse:
    header = ("start", "group", "calls", "input_tokens", "output_tokens", "charged_usd", "charged_nanos")
    rows = (
        (
            part.start.isoformat() if part.start else "", str(part.group or ""), part.usage.calls,
            part.usage.input_tokens, part.usage.output_tokens, decimal_dollars(part.usage.charged), part.usage.charged,
        )
        for part in parts
    )  # fmt: skip
    response = HttpResponse("".join(csv_lines(header, rows)), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="usage.csv"'
    return response
