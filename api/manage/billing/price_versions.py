"""/api/v1/admin/billing/price-versions: drafts of prices, what they change, and their publication. For staff."""

from typing import Any, Final

from django.http import Http404
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.manage.pages import NumberedPageAsked, page
from api.manage.views import StaffView
from api.problems import Problem, Refused
from billing import price_pages, price_review, publishing

MOST_CHANGES: Final = 500


class VersionShown(serializers.Serializer[Any]):
    """A version of a list of prices. Only what is published counts, from one moment to another."""

    id = serializers.IntegerField()
    object = serializers.CharField(default="price_version", read_only=True)
    kind = serializers.CharField(source="price_list.kind")
    name = serializers.CharField()
    state = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]  # a column of that name
    valid_from = serializers.DateTimeField(allow_null=True)
    valid_to = serializers.DateTimeField(allow_null=True)
    created_by = serializers.CharField()
    editors = serializers.ListField(child=serializers.CharField())
    published_by = serializers.CharField()


class ChangeShown(serializers.Serializer[Any]):
    """A price that is new, gone or different, in picodollars."""

    model = serializers.CharField()
    unit = serializers.CharField()
    service_tier = serializers.CharField()
    context_from = serializers.IntegerField()
    kind = serializers.CharField()
    old_pico = serializers.CharField(allow_null=True)
    new_pico = serializers.CharField(allow_null=True)
    doubt = serializers.CharField(help_text="Why it looks mistaken; empty when it does not.")
    accepted = serializers.BooleanField(source="is_accepted")


class ReviewShown(serializers.Serializer[Any]):
    """What publishing a draft would change, the doubtful and the largest first."""

    base_version = serializers.IntegerField(source="base_id", allow_null=True)
    counts = serializers.DictField(child=serializers.IntegerField())
    doubtful = serializers.SerializerMethodField(help_text="How many prices have to be accepted or dropped.")
    needs_another_person = serializers.BooleanField(source="needs_another")
    changes = serializers.SerializerMethodField(help_text=f"At most {MOST_CHANGES}.")

    def get_doubtful(self, review: price_review.Review) -> int:
        """How many prices keep it from being published."""
        return len(review.doubtful)

    def get_changes(self, review: price_review.Review) -> list[Any]:
        """The first of the changes."""
        return [ChangeShown(change).data for change in review.changes[:MOST_CHANGES]]


class PriceVersions(StaffView):
    """The versions of every list of prices."""

    def get(self, request: Request) -> Response:
        """The latest first."""
        asked = self.asked(NumberedPageAsked)
        found, has_more = price_pages.versions_page(after=asked.get("after"), limit=asked["limit"])
        return page([VersionShown(version).data for version in found], has_more=has_more)


class PriceVersion(StaffView):
    """One version, and what it changes while it is a draft."""

    def get(self, request: Request, version_id: int) -> Response:
        """The version with this id."""
        version = price_pages.version_of(version_id)
        if version is None:
            raise Http404
        review = ReviewShown(price_review.review(version_id)).data if version.state == "draft" else None
        return Response({**VersionShown(version).data, "review": review})


class PricePublication(StaffView):
    """The moment from which a draft counts."""

    def post(self, request: Request, version_id: int) -> Response:
        """Publish it. Refused while a price looks mistaken, and to its author when a price moves by more than 20 %."""
        if price_pages.version_of(version_id) is None:
            raise Http404
        try:
            published = publishing.publish_version(version_id=version_id, published_by=str(self.person))
        except publishing.PublicationRefused as refused:
            raise Refused(
                Problem(status=409, type="conflict_error", code=_code(refused), message=str(refused))
            ) from refused
        return Response(VersionShown(published).data)


def _code(refused: publishing.PublicationRefused) -> str:
    match refused:
        case publishing.NotReviewed():
            return "price_not_reviewed"
        case publishing.NeedsAnother():
            return "second_person_required"
    return "price_version_published"
