"""A file of prices becomes a draft, and a draft what counts."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError

from billing import ledger, top_ups
from billing.models import Charge, PriceItem, PriceVersion
from billing.price_import import import_prices
from billing.pricing import PriceTerms, terms
from tenants.ids import uuid7
from tenants.models import Organization
from tests.billing import money
from tests.billing.price_drafts import (
    ANN,
    asked,
    imported,
    now_costs,
    of_model,
    publish,
    published,
    reading,
    unheard,
)


def test_an_import_is_a_draft_that_changes_nothing_yet(database: None) -> None:
    model = published(unheard())

    draft = imported(model, input=1_100_000)

    assert (draft.version.state, draft.version.source, draft.version.created_by) == ("draft", "a test", ANN)
    found = now_costs(model).model
    assert found is not None
    assert found.tier(1).input == 1_000_000


def test_models_that_a_file_does_not_name_keep_their_prices_unless_told_otherwise(database: None) -> None:
    model, other = published(unheard()), unheard()

    kept = imported(other)
    dropped = import_prices(reading(other), name=uuid4().hex, created_by=ANN, remove_absent=True)

    assert model in kept.absent
    assert of_model(kept.version, model) == []
    assert {change.kind for change in of_model(dropped.version, model)} == {"removed"}


def test_the_command_drafts_what_came_with_litellm(database: None, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("import_prices", "--by", ANN, "--json", "--name", uuid4().hex)

    told = json.loads(capsys.readouterr().out)
    with money.everything():
        assert PriceVersion.objects.get(pk=told["version"]).state == "draft"
        assert PriceItem.objects.filter(version=told["version"], service_tier="priority").exists()
    assert told["models_not_in_the_file"] >= 0
    assert told["left out: partial"] > 0


def test_the_command_shows_what_changes_and_how_far(
    database: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = f"m{uuid4().hex[:8]}"
    published(f"openai/{name}")
    entry: dict[str, Any] = {"mode": "chat", "litellm_provider": "openai", "input_cost_per_token": 6e-06}
    file = tmp_path / "prices.json"
    file.write_text(json.dumps({name: {**entry, "output_cost_per_token": 4e-06}}))

    call_command("import_prices", str(file), "--by", ANN, "--json")
    told = json.loads(capsys.readouterr().out)
    call_command("import_prices", str(file), "--by", ANN, "--name", uuid4().hex)
    shown = capsys.readouterr().out

    assert (told["changed"], told["doubtful"], told["needs_another_person"]) == (1, 1, True)
    assert "6000000" in shown
    assert "Nothing counts yet." in shown


def test_the_command_may_only_look(database: None, capsys: pytest.CaptureFixture[str]) -> None:
    with money.everything():
        before = PriceVersion.objects.count()

    call_command("import_prices", "--by", ANN, "--check")

    assert "Left out" in capsys.readouterr().out
    with money.everything():
        assert PriceVersion.objects.count() == before


@pytest.mark.parametrize("text", ["{", "[]", "{}"])
def test_the_command_refuses_what_is_no_file_of_prices(text: str, database: None, tmp_path: Path) -> None:
    file = tmp_path / "prices.json"
    file.write_text(text)

    with pytest.raises(CommandError):
        call_command("import_prices", str(file), "--by", ANN)


def test_two_versions_have_two_names(database: None) -> None:
    name = uuid4().hex
    import_prices(reading(unheard()), name=name, created_by=ANN)

    with pytest.raises(IntegrityError, match="price_version_name"):
        import_prices(reading(unheard()), name=name, created_by=ANN)


HOLDS = 1_000
AT_ONCE = 20


def test_each_of_a_thousand_holds_has_one_version_while_prices_are_published(
    acme: Organization, database: None
) -> None:
    model = published(unheard())
    top_ups.enter(id=uuid7(), organization_id=acme.id, amount_nanos=10 * HOLDS, reference="test", actor="test")
    charged: dict[UUID, PriceTerms] = {}

    async def reserve(share: int) -> None:
        for _ in range(share):
            found = await terms(**asked(model))
            id = uuid7()
            await ledger.hold(
                id=id, payer=acme.id, run_id=id, amount_nanos=1, reference="run", price=found, beneficiary=None
            )
            charged[id] = found
            await ledger.release(id=id, status="failed")

    async def reserve_all() -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(reserve(HOLDS // AT_ONCE))

    with ThreadPoolExecutor(1) as staff:
        going_on = staff.submit(publish_some, model)
        money.run(reserve_all())
        going_on.result()

    with money.everything():
        versions = dict(Charge.objects.filter(id__in=charged).values_list("id", "price_version_id"))
        prices = dict(PriceItem.objects.filter(model=model, unit="input").values_list("version_id", "price"))
    assert len(versions) == HOLDS
    assert len(set(versions.values())) > 1
    for id, found in charged.items():
        assert found.model is not None
        assert versions[id] == found.price_version_id
        assert prices[versions[id]] == found.model.tier(1).input


def publish_some(model: str) -> None:
    """Publish a few versions that differ, one after the other."""
    for price in range(1_000_000, 1_060_000, 10_000):
        publish(imported(model, input=price).version)


def test_a_new_platform_starts_with_the_prices_of_every_unit(database: None) -> None:
    with money.everything():
        started = PriceVersion.objects.get(name="units and service tiers")
        priced = PriceItem.objects.filter(version=started)

        units = set(priced.values_list("unit", flat=True))
        tiers = set(priced.values_list("service_tier", flat=True))
        sonar = priced.get(model="perplexity/sonar", unit="request").price
    assert {"citation", "search", "request", "image_out", "second_in", "character_in", "page"} <= units
    assert tiers == {"", "batch", "flex", "priority"}
    assert sonar == 5 * 10**9
