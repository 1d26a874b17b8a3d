"""Middleware of what Django answers; the edge in front of completions has its own."""

from collections.abc import Callable
from typing import Final

from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_only_middleware

NOTHING: Final = "default-src 'none'; frame-ancestors 'none'"

Respond = Callable[[HttpRequest], HttpResponse]


@sync_only_middleware
def closed_unless_a_page(get_response: Respond) -> Respond:
    """Let nothing run or load in an answer that is no page, should a browser ever show one."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if not response.get("Content-Type", "").startswith("text/html"):
            response["Content-Security-Policy"] = NOTHING
        return response

    return middleware
