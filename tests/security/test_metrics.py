"""Metrics are for the operator, and whatever clients send, there are only so many of them."""

import random
import string
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.conf import settings

from tests.api.client import HELLO, ApiClient
from tests.api.conftest import OPERATORS_TOKEN
from tests.scrapes import values_in

MOST_SERIES = 5_000


def refusals(client: ApiClient) -> set[tuple[int, str, str]]:
    """What those are told who come without the token, with another one, with a key's, or with an empty one."""
    given = ("Bearer wrong", f"Basic {OPERATORS_TOKEN}", f"Bearer {OPERATORS_TOKEN}x", "Bearer", OPERATORS_TOKEN)
    return {client.get("/metrics").code, *(client.get("/metrics", Authorization=header).code for header in given)}


@pytest.mark.usefixtures("token")
def test_lg_02_metrics_from_outside_are_forbidden(stranger: ApiClient, acme_client: ApiClient) -> None:
    assert refusals(stranger) == {(403, "permission_error", "forbidden")}
    assert acme_client.get("/metrics").code == (403, "permission_error", "forbidden")
    assert stranger.get("/metrics", Authorization=f"Bearer {OPERATORS_TOKEN}").status == 200


def test_lg_02_without_a_token_production_opens_to_nobody(stranger: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "ROBUTLER", settings.ROBUTLER.model_copy(update={"env": "production"}))

    assert refusals(stranger) == {(403, "permission_error", "forbidden")}


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"])
def test_lg_02_what_a_proxy_passes_on_is_not_from_here(stranger: ApiClient, header: str) -> None:
    through, directly = stranger.get("/metrics", **{header: "127.0.0.1"}), stranger.get("/metrics")

    assert (through.status, directly.status) == (403, 200)


@pytest.mark.parametrize("count", [200, pytest.param(10_000, marks=pytest.mark.prove)])
def test_lg_02_random_paths_and_models_make_no_series(
    stranger: ApiClient, acme_client: ApiClient, greeter: str, count: int
) -> None:
    acme_client.post(f"/{greeter}/chat/completions", HELLO)
    planted = list(_words(count))
    before = stranger.get("/metrics").body.decode()

    with ThreadPoolExecutor(4) as crowd:
        list(crowd.map(lambda word: _ask(acme_client, word), planted))
    page = stranger.get("/metrics").body.decode()

    assert len(values_in(page)) < MOST_SERIES
    assert len(values_in(page)) - len(values_in(before)) < 200
    assert not [word for word in planted if word in page]


def test_lg_02_nothing_says_who_asked(stranger: ApiClient, acme_client: ApiClient, acme: object, greeter: str) -> None:
    acme_client.post(f"/{greeter}/chat/completions", {**HELLO, "user": "person-at-acme", "metadata": {"a": "canary"}})

    page = stranger.get("/metrics").body.decode()

    for private in (acme.slug, str(acme.id), acme.name, greeter, "person-at-acme", "canary", "rb_live"):  # type: ignore[attr-defined]
        assert private not in page


def _ask(client: ApiClient, word: str) -> None:
    """One of the ways in which a word of the client's own choosing comes to us."""
    match hash(word) % 5:
        case 0:
            client.post(f"/{word}/chat/completions", HELLO)
        case 1:
            client.post("/v1/chat/completions", {"model": word, **HELLO})
        case 2:
            client.get(f"/v1/models/{word}")
        case 3:
            client.request(word[:8].upper(), "/live")
        case _:
            client.get(f"/{word}/info")


def _words(count: int) -> Iterator[str]:
    dice = random.Random(7)
    for _ in range(count):
        yield "".join(dice.choices(string.ascii_lowercase, k=16))
