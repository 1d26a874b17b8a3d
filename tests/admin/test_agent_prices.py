"""Prices on an agent's page: of its tools, and the example bill that says what they come to."""

from collections.abc import Iterator
from decimal import Decimal
from importlib.metadata import EntryPoint
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from agents.models import Agent
from skills import registry
from tenants.context import organization_context
from tenants.models import Organization
from tests import make
from tests.admin.cast import fields, member, page, submit, text

FORM = "agent_form"
FREE_MODEL = {"name": "Clerk", "model": "scripted/persona", "instructions": "Be exact."}


@pytest.fixture
def us(acme: Organization) -> Client:
    return member(acme)


@pytest.fixture
def stall(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A skill whose tool costs a quarter of a dollar."""
    entry = EntryPoint(name="stall", value="tests.fakes.stall:StallSkill", group=registry.ENTRY_POINT_GROUP)
    known = {**registry._known(), "stall": entry}
    monkeypatch.setattr(registry, "_known", lambda: known)
    yield
    registry.skill_class.cache_clear()


def made(client: Client, organization: Organization, **changes: Any) -> Agent:
    slug = make.unique("clerk")
    answer = submit(client, reverse("console:agents_agent_add"), FORM, **{**FREE_MODEL, "slug": slug, **changes})
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    with organization_context(organization.id):
        return Agent.objects.get(slug=slug)


def shown(client: Client, agent: Agent) -> Any:
    return client.get(page("console", Agent, "change", agent.pk))


@pytest.mark.parametrize(("entered", "kept"), [("0.0025", 2_500_000), ("0.000000001", 1), ("0", 0)])
def test_a_price_of_a_tool_is_kept_exactly(acme: Organization, us: Client, entered: str, kept: int) -> None:
    agent = made(us, acme, tool_prices__calculate=entered)

    assert agent.tool_prices == {"calculate": kept}
    assert fields(shown(us, agent), FORM)["tool_prices.calculate"] == entered


def test_an_emptied_price_is_the_tools_own_again(acme: Organization, us: Client) -> None:
    agent = made(us, acme, tool_prices__calculate="1")

    submit(us, page("console", Agent, "change", agent.pk), FORM, tool_prices__calculate="")

    with organization_context(acme.id):
        agent.refresh_from_db()
    assert agent.tool_prices == {}


@pytest.mark.parametrize("entered", ["-1", "1001", "0.0000000001", "cheap"])
def test_a_price_that_cannot_be_kept_is_refused_at_its_field(us: Client, entered: str) -> None:
    slug = make.unique("clerk")

    answer = submit(
        us, reverse("console:agents_agent_add"), FORM, **FREE_MODEL, slug=slug, tool_prices__calculate=entered
    )

    assert list(answer.context["adminform"].form.errors) == ["tool_prices.calculate"]


def test_the_example_bill_adds_up_with_the_dearest_tool(acme: Organization, us: Client, stall: None) -> None:
    agent = made(
        us, acme, price_per_run_nanos="0.001", input_price_pico="0.5", stall__enabled="on", calculator__enabled="on",
        tool_prices__calculate="0.01",
    )  # fmt: skip

    example = shown(us, agent).context["example"]

    assert example.problem == ""
    # 1,000 tokens at $0.50 a million, the run, the tool; the fee is 5 % of them
    told = {name: Decimal(amount.removeprefix("$")) for name, amount in example.sums}
    assert told["You get"] == Decimal("0.0005") + Decimal("0.001") + Decimal("0.25")
    assert ("apple", "1 call", "$0.25") in [(row.what, row.quantity, row.price) for row in example.rows]
    assert told["You get"] + told["The platform gets"] == told["The caller pays"]


def test_a_tools_own_price_stands_beside_its_field(us: Client, stall: None) -> None:
    answer = us.get(reverse("console:agents_agent_add"))

    assert "Leave empty for its own price: $0.25." in text(answer)


def test_a_model_without_a_price_has_no_example_and_is_told_why(acme: Organization, us: Client) -> None:
    agent = made(us, acme, model="openai/unheard-of")

    assert "has no price" in shown(us, agent).context["example"].problem
