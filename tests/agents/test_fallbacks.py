"""Fallbacks in the books: the dearest model is reserved for, the one that delivered is charged, once."""

from collections.abc import Iterator
from typing import Any

import pytest

import outbound
from agents import loader
from agents.errors import InvalidDraft
from agents.selectors import published
from agents.services.drafts import SkillChoice
from agents.services.runs import start_run
from billing.errors import InsufficientFunds, PriceUnavailable
from billing.models import Hold
from skills.sdk import ModelFailed
from tenants.context import organization_context, platform_context
from tenants.models import Organization
from tenants.secret import Secret
from tenants.services import remove_credential, store_credential
from tenants.threads import in_thread
from tests.agents.cast import CREDIT, ask, balance, caller_of, converse, funded, hosted, settled
from tests.fakes.upstream import Upstream

DEAR, CHEAP = "openai/gpt-4o", "openai/gpt-4o-mini"
"""2.50 and 10 dollars a million tokens; 15 and 60 cents."""
COUNT = 20


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as running:
        outbound.configure(allow=[running.address])
        yield running
        outbound.configure()


@pytest.fixture
async def own_key(acme: Organization, upstream: Upstream) -> None:
    await in_thread(_store, acme, upstream.base_url)


def _store(organization: Organization, base_url: str) -> None:
    with organization_context(organization.id):
        store_credential(
            organization_id=organization.id, provider="openai", secret=Secret("sk-acme"), base_url=base_url
        )


async def served(organization: Organization, own: str, *fallbacks: str, **fields: Any) -> str:
    options = {"fallbacks": list(fallbacks), "retries": 0, **fields.pop("options", {})}
    known = {"input_price_pico": None, "output_price_pico": None, "visibility": "public", **fields}
    agent = await hosted(organization, SkillChoice(skill="openai", options=options), model=own, **known)
    return f"{organization.slug}/{agent.slug}"


def _held(stream_id: Any) -> int:
    with platform_context(reason="look at a hold"):
        return Hold.objects.get(id=stream_id).amount


async def test_the_one_that_delivered_is_charged_at_its_own_price(
    acme: Organization, globex: Organization, upstream: Upstream, own_key: None
) -> None:
    await funded(globex)
    address = await served(acme, DEAR, CHEAP)
    orders = "/count-20:status=503:times=1 go"

    text, stream = await converse(caller_of(globex), address, ask(orders))

    assert "20" in text
    assert [exchange.status for exchange in upstream.exchanges] == [503, 200]
    assert [(exchange.body or {})["model"] for exchange in upstream.exchanges] == ["gpt-4o", "gpt-4o-mini"]
    read = upstream.exchanges[-1].sale
    assert stream.receipt is not None
    usage = stream.receipt.usage
    assert usage.output_tokens == read.tokens == COUNT
    assert stream.receipt.charged_nanos == usage.input_tokens * 150 + COUNT * 600
    assert (await balance(globex)).available == CREDIT - stream.receipt.charged_nanos


async def test_the_dearest_is_reserved_for_whoever_comes_first(
    acme: Organization, globex: Organization, upstream: Upstream, own_key: None
) -> None:
    await funded(globex)
    alone = await served(acme, DEAR)
    together = await served(acme, CHEAP, DEAR)
    request: dict[str, Any] = {"max_output_tokens": 1_000, "body_bytes": 900}

    _, first = await converse(caller_of(globex), alone, ask(**request))
    _, second = await converse(caller_of(globex), together, ask(**request))

    held = [await in_thread(_held, stream.run_id) for stream in (first, second)]
    assert held[0] == held[1] > 1_000 * 10_000


async def test_a_wallet_for_the_cheap_one_alone_is_told_so_before_anybody_is_asked(
    acme: Organization, globex: Organization, upstream: Upstream, own_key: None
) -> None:
    await funded(globex, 500_000)
    address = await served(acme, CHEAP, DEAR)

    with pytest.raises(InsufficientFunds):
        await start_run(caller=caller_of(globex), address=address, request=ask(body_bytes=600))

    assert upstream.exchanges == []


async def test_when_nobody_delivers_nobody_is_charged(
    acme: Organization, globex: Organization, upstream: Upstream, own_key: None
) -> None:
    await funded(globex)
    address = await served(acme, DEAR, CHEAP)

    with pytest.raises(ModelFailed):
        await converse(caller_of(globex), address, ask("/fault-503 go"))
    await settled()

    assert len(upstream.exchanges) == 2
    assert (await balance(globex)).available == CREDIT


async def test_a_fallback_without_a_price_refuses_like_a_model_without_one(
    acme: Organization, globex: Organization, upstream: Upstream, own_key: None
) -> None:
    await funded(globex)
    address = await served(acme, CHEAP, "openai/nobody-knows-it")

    with pytest.raises(PriceUnavailable):
        await start_run(caller=caller_of(globex), address=address, request=ask())

    assert upstream.exchanges == []


async def test_a_provider_that_somebody_else_would_pay_is_not_fallen_back_on(
    acme: Organization, globex: Organization, upstream: Upstream, own_key: None
) -> None:
    await funded(globex)
    shared = await in_thread(_store_shared, upstream.base_url)
    address = await served(acme, DEAR, "groq/llama-3.1-8b-instant")

    with pytest.raises(ModelFailed):
        await converse(caller_of(globex), address, ask("/fault-503 go"))
    await settled()

    assert [exchange.headers["authorization"] for exchange in upstream.exchanges] == ["Bearer sk-acme"]
    await in_thread(_remove, shared)


def _store_shared(base_url: str) -> Any:
    with platform_context(reason="a shared key"):
        return store_credential(organization_id=None, provider="groq", secret=Secret("sk-platform"), base_url=base_url)


def _remove(credential: Any) -> None:
    with platform_context(reason="remove it"):
        remove_credential(credential)


async def test_each_fallback_is_served_by_the_skill_of_its_provider(acme: Organization) -> None:
    chosen = {"credential": "mine", "fallbacks": ["groq/b", "mistral/c", "openai/d", "groq/a"]}
    agent = await hosted(
        acme,
        SkillChoice(skill="litellm", options=chosen),
        SkillChoice(skill="openai", options={"credential": "theirs"}),
        model="groq/a",
    )

    loaded = await loader.load(await published(caller_of(acme), agent.slug))

    served_by = [(each.model, each.skill.name, each.skill.options.credential) for each in loaded.fallbacks]  # type: ignore[attr-defined]
    assert served_by == [
        ("groq/b", "litellm", "mine"), ("mistral/c", "litellm", None), ("openai/d", "openai", "theirs"),
    ]  # fmt: skip
    assert loaded.fallbacks[0].skill is loaded.model_skill


@pytest.mark.parametrize(
    ("fallbacks", "words"),
    [
        (["gpt-4o"], "provider/model"), (["openai/a", "openai/a"], "twice"),
        ([f"openai/{n}" for n in range(6)], "at most 5"), (["/x"], "provider/model"),
    ],
)  # fmt: skip
async def test_fallbacks_are_named_rightly_when_they_are_saved(
    acme: Organization, fallbacks: list[str], words: str
) -> None:
    with pytest.raises(InvalidDraft, match=words):
        await served(acme, DEAR, *fallbacks)
