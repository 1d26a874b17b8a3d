"""Lists, page by page: the next one begins after the last row of the one before."""

from collections.abc import Sequence
from typing import Any, Final

from rest_framework import serializers
from rest_framework.response import Response

MOST_AT_ONCE: Final = 200
DEFAULT: Final = 50


class PageAsked(serializers.Serializer[Any]):
    """Which page of a list of rows with ids."""

    after = serializers.UUIDField(required=False, help_text="The last row of the page before.")
    limit = serializers.IntegerField(required=False, default=DEFAULT, min_value=1, max_value=MOST_AT_ONCE)


class NumberedPageAsked(serializers.Serializer[Any]):
    """Which page of a list of numbered rows."""

    after = serializers.IntegerField(
        required=False, min_value=1, max_value=2**63 - 1, help_text="The last row of the page before."
    )
    limit = serializers.IntegerField(required=False, default=DEFAULT, min_value=1, max_value=MOST_AT_ONCE)


def page(shown: Sequence[dict[str, Any]], *, has_more: bool) -> Response:
    """A page as it is answered."""
    return Response(
        {
            "object": "list",
            "data": shown,
            "has_more": has_more,
            "first_id": shown[0]["id"] if shown else None,
            "last_id": shown[-1]["id"] if shown else None,
        }
    )
