"""/api/v1/admin/billing/trial-balance, /pnl, /reconciliations, /exports: the books of the whole platform."""

from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Any

from django.http import Http404, StreamingHttpResponse
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.manage.amounts import NanosField, UsdField
from api.manage.pages import NumberedPageAsked, page
from api.manage.views import StaffView
from api.openai.amounts import usd
from billing import exports, figures, ledger, reconcile


class DaysAsked(serializers.Serializer[Any]):
    """From the first day to the last, by UTC's calendar."""

    first = serializers.DateField()
    last = serializers.DateField()

    def validate(self, attrs: dict[str, date]) -> dict[str, date]:
        """The last is not before the first, and has a day after it."""
        if not attrs["first"] <= attrs["last"] < date.max:
            raise serializers.ValidationError({"last": "this is before 'first', or at the end of the calendar."})
        return attrs


class RunShown(serializers.Serializer[Any]):
    """A reconciliation of a day."""

    id = serializers.IntegerField()
    object = serializers.CharField(default="reconciliation", read_only=True)
    day = serializers.DateField()
    breaks = serializers.IntegerField()
    actor = serializers.CharField()
    created_at = serializers.DateTimeField()


class ProfitShown(serializers.Serializer[Any]):
    """What a span of days brought in, and what it cost."""

    object = serializers.CharField(default="pnl", read_only=True)
    charged_nanos = NanosField(source="usage.charged")
    revenue_nanos = NanosField(source="usage.platform_share")
    revenue_usd = UsdField(source="usage.platform_share")
    cost_nanos = NanosField(source="usage.own_cost")
    creators_nanos = NanosField(source="usage.creator_share")
    loss_nanos = NanosField(source="usage.loss")
    margin_nanos = NanosField(source="usage.margin")
    margin_usd = UsdField(source="usage.margin")
    payment_fees_nanos = NanosField(source="payment_fees")
    payment_fees_usd = UsdField(source="payment_fees")
    profit_nanos = NanosField(source="amount")
    profit_usd = UsdField(source="amount")
    charges = serializers.IntegerField(source="usage.calls")


class TrialBalance(StaffView):
    """Every kind of account."""

    def get(self, request: Request) -> Response:
        """What each was debited and credited with; both sums are equal, always."""
        books = ledger.trial_balance()
        kinds = sorted(books.debits.keys() | books.credits.keys())
        rows = [_row(kind, books.debits.get(kind, 0), books.credits.get(kind, 0)) for kind in kinds]
        return Response(
            {
                "object": "trial_balance",
                "accounts": rows,
                "balanced": sum(books.debits.values()) == sum(books.credits.values()),
            }
        )


class ProfitAndLoss(StaffView):
    """Revenue, cost, margin, and what is left of it after payment fees."""

    def get(self, request: Request) -> Response:
        """Of these days."""
        since, until = _span(self.asked(DaysAsked))
        return Response(ProfitShown(figures.profit(since, until)).data)


class Reconciliations(StaffView):
    """What was compared, and what was found."""

    def get(self, request: Request) -> Response:
        """The latest first."""
        asked = self.asked(NumberedPageAsked)
        limit = asked["limit"]
        rows = reconcile.reconciliations_before(asked.get("after"), limit=limit + 1)
        return page([RunShown(row).data for row in rows[:limit]], has_more=len(rows) > limit)


class Export(StaffView):
    """The books as a file."""

    def get(self, request: Request, name: str, kind: str) -> StreamingHttpResponse:
        """The journal, what runs came to, or sums by day and account, of these days."""
        if name not in exports.NAMES or kind not in exports.FORMATS:
            raise Http404
        since, until = _span(self.asked(DaysAsked))
        export = exports.Export(name=name, format=kind, since=since, until=until)
        response = StreamingHttpResponse(
            exports.streamed(partial(exports.written, export)), content_type=export.content_type
        )
        response["Content-Disposition"] = f'attachment; filename="{export.filename}"'
        return response


def _row(kind: str, debits: int, credits: int) -> dict[str, str]:
    return {
        "account": kind,
        "debits_nanos": str(debits),
        "debits_usd": usd(debits),
        "credits_nanos": str(credits),
        "credits_usd": usd(credits),
    }


def _span(asked: dict[str, date]) -> tuple[datetime, datetime]:
    first, last = asked["first"], asked["last"] + timedelta(days=1)
    return datetime.combine(first, time(), UTC), datetime.combine(last, time(), UTC)
