"""/api/v1/billing/statements: months of the organization's wallet, closed for good, as JSON, CSV and PDF."""

from typing import Any

from django.http import Http404, HttpResponse, StreamingHttpResponse
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.manage.amounts import NanosField, UsdField
from api.manage.pages import page
from api.manage.views import ManageView
from billing import downloads, statements
from billing.months import month_named


class StatementShown(serializers.Serializer[Any]):
    """A month: opening + top_ups + grants - usage + refunds - expiries + adjustments = closing."""

    id = serializers.CharField(source="period")
    object = serializers.CharField(default="statement", read_only=True)
    period = serializers.CharField()
    time_zone = serializers.CharField()
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    transfers = serializers.IntegerField()
    opening_nanos = NanosField(source="opening")
    top_ups_nanos = NanosField(source="top_ups")
    grants_nanos = NanosField(source="grants")
    usage_nanos = NanosField(source="usage")
    refunds_nanos = NanosField(source="refunds")
    expiries_nanos = NanosField(source="expiries")
    adjustments_nanos = NanosField(source="adjustments")
    closing_nanos = NanosField(source="closing")
    closing_usd = UsdField(source="closing")
    closed_at = serializers.DateTimeField()


class Statements(ManageView):
    """The organization's statements."""

    def get(self, request: Request) -> Response:
        """The latest first; a year has twelve."""
        return page(
            [StatementShown(row).data for row in statements.statements(self.caller.organization_id)], has_more=False
        )


class Statement(ManageView):
    """One of them."""

    def get(self, request: Request, period: str) -> Response:
        """The statement of this month."""
        return Response(StatementShown(_found(self, period)).data)


class StatementPdf(ManageView):
    """One of them, on paper."""

    def get(self, request: Request, period: str) -> HttpResponse:
        """The file that was printed when the month was closed, byte for byte."""
        return downloads.pdf(_found(self, period))


class StatementCsv(ManageView):
    """One of them, as a table."""

    def get(self, request: Request, period: str) -> StreamingHttpResponse:
        """Every transfer, with the balance after it."""
        return downloads.csv(_found(self, period))


def _found(view: ManageView, period: str) -> Any:
    row = None if month_named(period) is None else statements.statement(view.caller.organization_id, period)
    if row is None:
        raise Http404
    return row
