"""What models and agents cost, told to whoever is known here."""

from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from billing.price_import import import_prices
from billing.prices.litellm import Reading
from billing.publishing import publish_version
from billing.tiers import Item
from tenants.models import User
from tests import make
from tests.api.client import HELLO, ApiClient

PRICES = "/api/v1/billing/prices"


def item(unit: str, price: int, *, tier: str = "", above: int = 0, most: int | None = None) -> Item:
    return Item(unit=unit, service_tier=tier, context_from=above, price_pico=price, most=most)


@pytest.fixture(scope="module")
def model(database: None) -> str:
    """A scripted model that costs something, at two speeds and two lengths, and searches."""
    name = f"scripted/dear-{uuid4().hex[:12]}"
    items = (
        item("input", 1_000_000), item("output", 4_000_000, most=4_096), item("cached_input", 100_000),
        item("input", 2_000_000, above=200_000), item("input", 2_000_000, tier="priority"),
        item("search", 10_000_000_000, most=2),
    )  # fmt: skip
    reading = Reading(source="a test", models={name: items}, skipped={})
    version = import_prices(reading, name=name, created_by="ann@example.test").version
    publish_version(version_id=version.pk, published_by="ben@example.test")
    return name


def test_a_price_is_told_item_by_item(globex_client: ApiClient, model: str) -> None:
    price = globex_client.get(f"{PRICES}/{model}").json

    shown = {(each["unit"], each["service_tier"], each["context_from"]): each for each in price["items"]}
    assert (price["id"], price["object"], price["currency"]) == (model, "price", "USD")
    assert isinstance(price["price_version"], int)
    assert shown["input", "", 200_000] == {
        "unit": "input", "service_tier": "", "context_from": 200_000, "price_pico": "2000000", "price_usd": "2",
        "per": 1_000_000, "most": None,
    }  # fmt: skip
    assert (shown["search", "", 0]["price_usd"], shown["search", "", 0]["per"]) == ("0.01", 1)
    assert shown["output", "", 0]["most"] == 4_096


def test_prices_come_by_name_page_by_page(globex_client: ApiClient, model: str) -> None:
    first = globex_client.get(f"{PRICES}?search=gpt-4o&limit=2").json
    second = globex_client.get(f"{PRICES}?search=gpt-4o&limit=2&after={first['last_id']}").json
    only = globex_client.get(f"{PRICES}?search={model}").json

    names = [price["id"] for price in (*first["data"], *second["data"])]
    assert first["has_more"] is True
    assert names == sorted(set(names))
    assert all("gpt-4o" in name for name in names)
    assert ([price["id"] for price in only["data"]], only["has_more"]) == ([model], False)


def test_a_name_without_a_price_is_not_found(globex_client: ApiClient, database: None) -> None:
    draft = f"scripted/draft-{uuid4().hex}"
    items = (item("input", 1_000_000), item("output", 1_000_000))
    import_prices(
        Reading(source="a test", models={draft: items}, skipped={}), name=draft, created_by="ann@example.test"
    )

    for name in (draft, "nobody/nothing", "*"):
        answer = globex_client.get(f"{PRICES}/{name}")
        assert (answer.status, answer.json["error"]["code"]) == (404, "not_found")
    assert globex_client.get(f"{PRICES}?search={draft}").json["data"] == []


def test_a_question_that_nobody_understands_is_refused(globex_client: ApiClient) -> None:
    assert globex_client.get(f"{PRICES}?limit=0").status == 400
    assert globex_client.get(f"{PRICES}?sort=price").json["error"]["code"] == "unknown_parameter"


def test_who_is_not_known_sees_no_prices(server: Any) -> None:
    with ApiClient(server.url, "") as stranger:
        assert stranger.get(PRICES).status == 401


@pytest.fixture
def paid(acme: Any, model: str) -> str:
    """A public agent of Acme's on that model, with prices of every kind."""
    price = {"price_per_run_nanos": 1_000_000, "markup_bps": 2_000, "input_price_pico": 500_000}
    return f"{acme.slug}/{make.published(acme, model=model, visibility='public', **price).slug}"


def test_an_agents_price_comes_with_a_bill_that_adds_up(globex_client: ApiClient, paid: str, model: str) -> None:
    pricing = globex_client.get(f"/api/v1/billing/agents/{paid}/pricing").json

    assert (pricing["object"], pricing["agent"], pricing["model"]) == ("agent_pricing", paid, model)
    assert (pricing["per_run"], pricing["markup_percent"], pricing["per_million_input_tokens"]) == (
        "0.001",
        "20",
        "0.5",
    )
    example = pricing["example"]
    # 1,000 at $1 and 500 at $4 a million; a fifth of it, 1,000 at $0.50 a million, and the run.
    assert (example["cost_nanos"], example["markup_nanos"], example["fee_nanos"]) == ("3000000", "2100000", "0")
    assert (example["creator_nanos"], example["platform_nanos"]) == ("2100000", "3000000")
    assert example["total_usd"] == "0.005100000"
    assert sum(int(line["amount_pico"]) for line in example["lines"]) == 1_000 * int(example["total_nanos"])


def test_an_owner_reaches_its_agent_by_its_short_name(acme_client: ApiClient, paid: str) -> None:
    short = paid.partition("/")[2]

    assert acme_client.get(f"/api/v1/billing/agents/{short}/pricing").json["agent"] == short


def test_a_neighbours_private_agent_has_no_price(acme: Any, globex_client: ApiClient) -> None:
    hidden = f"{acme.slug}/{make.published(acme).slug}"

    answers = [globex_client.get(f"/api/v1/billing/agents/{name}/pricing") for name in (hidden, "acme/nobody")]

    assert [answer.status for answer in answers] == [404, 404]
    assert answers[0].json["error"]["message"] == answers[1].json["error"]["message"]


def test_an_agent_that_would_not_run_has_no_price(acme: Any, acme_client: ApiClient) -> None:
    agent = make.published(
        acme, model=f"scripted/free-{uuid4().hex}", price_per_run_nanos=0, input_price_pico=None, output_price_pico=None
    )

    answer = acme_client.get(f"/api/v1/billing/agents/{agent.slug}/pricing")

    assert (answer.status, answer.json["error"]["code"]) == (503, "price_unavailable")


def test_an_estimate_names_every_tier_and_what_is_no_token(globex_client: ApiClient, paid: str) -> None:
    estimate = globex_client.post("/v1/estimate", {"model": paid, **HELLO}).json

    tiers = {(tier["service_tier"], tier["context_from"]): tier for tier in estimate["price"]["model"]}
    assert set(tiers) == {("", 0), ("", 200_000), ("priority", 0), ("priority", 200_000)}
    assert tiers["", 0]["per_million"]["input"] == "1"
    assert tiers["", 200_000]["per_million"]["cached_input"] == "0.2"
    assert tiers["", 0]["each"] == {"search": "0.01"}
    # Two searches may be made, and each costs a cent, a fifth of which is the owner's.
    assert int(estimate["hold_nanos"]) > 24_000_000


VERSIONS = "/api/v1/admin/billing/price-versions"


def drafted(name: str, *items: Item, by: str = "ann@example.test") -> int:
    """A draft that adds a model."""
    reading = Reading(source="a test", models={name: items}, skipped={})
    return import_prices(reading, name=uuid4().hex, created_by=by).version.pk


def signed_in(*, is_superuser: bool = True) -> Client:
    """Somebody who works for the platform."""
    client = Client(enforce_csrf_checks=False)
    client.force_login(make.user(is_staff=True, is_superuser=is_superuser))
    return client


def test_staff_look_at_a_draft_and_publish_it(database: None) -> None:
    name = f"scripted/new-{uuid4().hex}"
    draft, us = drafted(name, item("input", 1_000_000), item("output", 2_000_000)), signed_in()

    listed = us.get(f"{VERSIONS}?limit=1").json()
    shown = us.get(f"{VERSIONS}/{draft}").json()
    published = us.post(f"{VERSIONS}/{draft}/publish")
    again = us.post(f"{VERSIONS}/{draft}/publish")

    assert (listed["data"][0]["id"], listed["has_more"]) == (draft, True)
    assert (shown["state"], shown["review"]["counts"]["added"], shown["review"]["doubtful"]) == ("draft", 2, 0)
    assert {(each["model"], each["kind"], each["old_pico"]) for each in shown["review"]["changes"]} == {
        (name, "added", None)
    }
    assert (published.status_code, published.json()["state"]) == (200, "published")
    assert us.get(f"{VERSIONS}/{draft}").json()["review"] is None
    assert (again.status_code, again.json()["error"]["code"]) == (409, "price_version_published")


def test_a_doubtful_draft_is_not_published(database: None) -> None:
    name = f"scripted/new-{uuid4().hex}"
    draft = drafted(name, item("input", 3), item("output", 2_000_000))

    answer = signed_in().post(f"{VERSIONS}/{draft}/publish")

    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "price_not_reviewed")


def test_an_author_publishes_no_price_that_moves_far(database: None, model: str) -> None:
    us = signed_in()
    person = User.objects.get(pk=us.session["_auth_user_id"])
    draft = drafted(model, item("input", 2_000_000), item("output", 4_000_000), by=str(person))

    answer = us.post(f"{VERSIONS}/{draft}/publish")

    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "second_person_required")


def test_only_staff_see_versions_and_only_superusers_publish(globex_client: ApiClient, database: None) -> None:
    draft = drafted(f"scripted/new-{uuid4().hex}", item("input", 1_000_000), item("output", 2_000_000))

    assert globex_client.get(VERSIONS).status in (401, 403)
    assert Client().get(VERSIONS).status_code in (401, 403)
    assert signed_in(is_superuser=False).post(f"{VERSIONS}/{draft}/publish").status_code == 403
    assert signed_in().get(f"{VERSIONS}/{10**9}").status_code == 404
