"""Embeddings through the official SDK, on each skill that makes them: vectors, money, and failures."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import openai
import pytest
from openai import OpenAI

from tests.fakes.upstream import Upstream
from tests.live.books import Books
from tests.live.cast import Cast
from tests.live.server import LiveServer

OWN, PLATFORMS = "openai/embed", "mistral/mistral-embed"
"""A model on a server and a credential of the caller's own, and one on the platform's."""
INPUT_PICO = 100_000
"""What a token of PLATFORMS costs."""


@pytest.fixture(scope="module")
def embedder(cast: Cast) -> Any:
    """An organization with a credential for `openai`, beside the platform's for `mistral`."""
    import outbound
    from skills.sdk import Secret
    from tenants.context import organization_context, platform_context
    from tenants.services import store_credential
    from tests import make

    outbound.configure(allow=[cast.upstream_url.removeprefix("http://").partition("/")[0]])
    organization = make.wallet(make.organization("Embedder"), 1_000_000_000)
    key = {"secret": Secret("sk-embedder"), "base_url": cast.upstream_url}
    with organization_context(organization.id):
        store_credential(organization_id=organization.id, provider="openai", **key)  # type: ignore[arg-type]
    with platform_context(reason="a provider for tests"):
        store_credential(organization_id=None, provider="mistral", **key)  # type: ignore[arg-type]
    return organization


@pytest.fixture
def client(live: LiveServer, embedder: Any) -> Generator[OpenAI]:
    from tests import make

    with OpenAI(base_url=f"{live.url}/v1", api_key=make.key(embedder), max_retries=0) as sdk:
        yield sdk


@contextmanager
def counted(upstream: Upstream) -> Generator[list[Any]]:
    """The requests that reach the upstream meanwhile."""
    before, seen = len(upstream.log.exchanges), list[Any]()
    yield seen
    seen += list(upstream.log.exchanges)[before:]


@pytest.mark.parametrize("model", [OWN, f"{OWN}:floats", PLATFORMS])
def test_vectors_come_back_in_the_order_of_their_inputs(client: OpenAI, model: str) -> None:
    answer = client.embeddings.create(model=model, input=["one", "three", "eleven"])

    assert [entry.embedding for entry in answer.data] == [[3, 0, 0, 0], [5, 0, 0, 0], [6, 0, 0, 0]]
    assert [entry.index for entry in answer.data] == [0, 1, 2]
    assert answer.model == model


def test_dimensions_reach_the_provider(client: OpenAI, upstream: Upstream) -> None:
    with counted(upstream) as requests:
        answer = client.embeddings.create(model=OWN, input="hello", dimensions=7, user="u-1")

    assert len(answer.data[0].embedding) == 7
    assert requests[0].body["dimensions"] == 7
    assert requests[0].body["user"] == "u-1"


def test_dimensions_that_a_provider_does_not_take_are_refused_by_name(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.embeddings.create(model=PLATFORMS, input="hello", dimensions=7)

    assert caught.value.param == "dimensions"


def test_a_bare_name_is_openais(client: OpenAI, upstream: Upstream) -> None:
    with counted(upstream) as requests:
        client.embeddings.create(model="embed", input=[[1, 2, 3]])

    assert requests[0].body["model"] == "embed"
    assert requests[0].body["input"] == [[1, 2, 3]]


def test_on_the_platforms_credential_the_input_is_paid_for_to_the_nanodollar(client: OpenAI, books: Books) -> None:
    answer = client.embeddings.with_raw_response.create(model=PLATFORMS, input="x" * 400)

    tokens = answer.parse().usage.prompt_tokens
    charged = tokens * INPUT_PICO // 1_000
    assert tokens == 100
    assert books.charged(answer.headers["x-robutler-run-id"]) == charged
    assert answer.headers["x-robutler-cost"] == f"0.{charged:09d}"
    assert books.balance()


def test_on_an_own_credential_nothing_is_owed(client: OpenAI) -> None:
    answer = client.embeddings.with_raw_response.create(model=OWN, input="x" * 400)

    assert answer.headers["x-robutler-cost"] == "0.000000000"


def test_a_provider_that_says_no_usage_is_counted(client: OpenAI) -> None:
    answer = client.embeddings.create(model=f"{OWN}:usage=none", input="x" * 400)

    assert answer.usage.prompt_tokens == 100


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("status=429:after=60", 429, "rate_limit_exceeded"),
        ("status=500", 502, "upstream_failed"),
        ("status=503", 503, "upstream_overloaded"),
        ("hangup", 502, "upstream_failed"),
        ("status=401", 502, "upstream_failed"),
        ("status=400", 400, "invalid_value"),
    ],
)
def test_a_failure_is_told_and_costs_nothing(
    client: OpenAI, embedder: Any, books: Books, fault: str, status: int, code: str
) -> None:
    from billing import ledger

    before = ledger.balance(embedder.id)

    with pytest.raises(openai.APIStatusError) as caught:
        client.embeddings.create(model=f"{OWN}:{fault}", input="hello")

    assert (caught.value.status_code, caught.value.code) == (status, code)
    assert ledger.balance(embedder.id) == before


def test_an_empty_wallet_is_refused_before_anything_is_asked(
    live: LiveServer, embedder: Any, upstream: Upstream
) -> None:
    from tests import make

    poor = make.organization("Poor")

    with (
        counted(upstream) as requests,
        OpenAI(base_url=f"{live.url}/v1", api_key=make.key(poor), max_retries=0) as sdk,
        pytest.raises(openai.APIStatusError) as caught,
    ):
        sdk.embeddings.create(model=PLATFORMS, input="hello")

    assert caught.value.status_code == 402
    assert requests == []


def test_a_test_key_reaches_scripted_models_only(live: LiveServer, embedder: Any) -> None:
    from tests import make

    with OpenAI(base_url=f"{live.url}/v1", api_key=make.key(embedder, test_mode=True), max_retries=0) as sdk:
        assert sdk.embeddings.create(model="scripted/hashing", input="hello").data
        with pytest.raises(openai.PermissionDeniedError):
            sdk.embeddings.create(model=OWN, input="hello")
