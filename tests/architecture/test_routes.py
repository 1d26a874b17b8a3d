"""Every address is billable, authenticated or public, and somebody said which."""

import re
from collections.abc import Iterable, Iterator

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from api.openai.addresses import is_completion

AUTHENTICATED = ("admin/", "console/", "v1/", "api/v1/", "api/payments/")
"""Whatever lies under these asks who is there."""

PUBLIC = frozenset({
    "", # says what this is
    "<agent_path:path>", # the description of an agent: public ones for all, others for their organization
    "api/v1/billing/webhooks/stripe", # believes a signature, not a caller
    "v1/agents", # public ones for all, others for their organization
    "v1/docs", "v1/openapi.json", # the same for everybody
    "admin/login/", "console/login/", "admin/logout/", "console/logout/",
    "admin/jsi18n/", "console/jsi18n/", # the words of Django's own scripts
})  # fmt: skip


def routes(patterns: Iterable[URLPattern | URLResolver], prefix: str = "") -> Iterator[str]:
    """Every address that Django answers, as it is written in the URL modules."""
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, route)
        else:
            yield route


def unclassified(found: Iterable[str]) -> list[str]:
    """The addresses of which nobody said who may come."""
    return sorted({route for route in found if route not in PUBLIC and not route.startswith(AUTHENTICATED)})


def plain_and_authenticated() -> list[str]:
    """Authenticated addresses that can be asked for as they are written."""
    found = set(routes(get_resolver().url_patterns)) - PUBLIC
    return sorted(route for route in found if not re.search(r"[<^(]", route))


def lets_in(route: str) -> bool:
    """Whether somebody unknown gets more than a refusal or the way to the door."""
    answer = Client().get(f"/{route}")
    return not (
        answer.status_code in {401, 403, 405} or (answer.status_code == 302 and "/login/" in answer["Location"])
    )


def test_every_route_is_classified() -> None:
    assert unclassified(routes(get_resolver().url_patterns)) == []


def test_completions_are_the_billable_ones() -> None:
    assert is_completion("/v1/chat/completions")
    assert not [route for route in routes(get_resolver().url_patterns) if is_completion(f"/{route}")]


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("route", plain_and_authenticated())
def test_an_authenticated_route_lets_nobody_in(route: str) -> None:
    assert not lets_in(route)


def test_an_unclassified_route_is_seen() -> None:
    assert unclassified(["v1/models", "", "internal/secrets"]) == ["internal/secrets"]


@pytest.mark.usefixtures("database")
def test_an_open_door_is_seen() -> None:
    assert lets_in("console/login/")
