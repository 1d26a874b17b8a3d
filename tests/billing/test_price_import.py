"""Prices between a file and everybody's bills: a draft, a look at what it changes, and two people."""

import asyncio
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError

from billing import ledger, publishing
from billing.models import Charge, PriceAcceptance, PriceItem, PriceList, PriceVersion
from billing.price_import import Imported, import_prices
from billing.price_review import PriceChange, review
from billing.prices.litellm import Reading
from billing.pricing import AgentPrice, PriceTerms, terms
from billing.publishing import NeedsAnother, NotReviewed
from billing.tiers import Item
from tenants.ids import uuid7
from tenants.models import Organization
from tests.billing import money

ANN, BEN = "ann@example.test", "ben@example.test"


def unheard() -> str:
    return f"acme/model-{uuid4().hex}"


def reading(model: str, *items: Item, **prices: int) -> Reading:
    """A file of one model; its input and output cost a dollar and four a million unless it says otherwise."""
    units = {"input": 1_000_000, "output": 4_000_000, **prices}
    found = (*(Item(unit=unit, price_pico=price) for unit, price in units.items()), *items)
    return Reading(source="a test", models={model: found}, skipped={})


def imported(model: str, *items: Item, by: str = ANN, **prices: int) -> Imported:
    return import_prices(reading(model, *items, **prices), name=uuid4().hex, created_by=by)


def publish(version: PriceVersion, *, by: str = BEN) -> PriceVersion:
    return publishing.publish_version(version_id=version.pk, published_by=by)


def published(model: str, **prices: Any) -> str:
    """A model with these prices, published."""
    publish(imported(model, **prices).version)
    return model


def of_model(draft: PriceVersion, model: str) -> list[PriceChange]:
    return [change for change in review(draft.pk).changes if change.model == model]


def item(draft: PriceVersion, model: str, unit: str) -> PriceItem:
    with money.everything():
        return PriceItem.objects.get(version=draft, model=model, unit=unit, service_tier="", context_from=0)


def asked(model: str) -> dict[str, Any]:
    return {
        "model": model, "agent_price": AgentPrice(), "platform_credential": True, "owner_is_payer": False,
        "unpriced_allowed": False,
    }  # fmt: skip


def now_costs(model: str) -> PriceTerms:
    return money.run(terms(**asked(model)))


def test_an_import_is_a_draft_that_changes_nothing_yet(database: None) -> None:
    model = published(unheard())

    draft = imported(model, input=1_100_000)

    assert (draft.version.state, draft.version.source, draft.version.created_by) == ("draft", "a test", ANN)
    found = now_costs(model).model
    assert found is not None
    assert found.tier(1).input == 1_000_000


def test_what_a_draft_changes_is_told_by_how_far_it_goes(database: None) -> None:
    model = published(unheard(), cached_input=100_000, reasoning=4_000_000)

    draft = imported(model, input=1_500_000, reasoning=4_400_000, search=10**9).version

    assert [(each.unit, each.kind, each.factor) for each in of_model(draft, model)] == [
        ("input", "changed", 1.5),
        ("reasoning", "changed", 1.1),
        ("cached_input", "removed", None),
        ("search", "added", None),
    ]


def test_models_that_a_file_does_not_name_keep_their_prices_unless_told_otherwise(database: None) -> None:
    model, other = published(unheard()), unheard()

    kept = imported(other)
    dropped = import_prices(reading(other), name=uuid4().hex, created_by=ANN, remove_absent=True)

    assert model in kept.absent
    assert of_model(kept.version, model) == []
    assert {change.kind for change in of_model(dropped.version, model)} == {"removed"}


@pytest.mark.parametrize(
    ("price", "doubt"),
    [
        (5_000_000, ""), (5_000_001, "dearer"), (200_000, ""), (199_999, "cheaper"), (0, "cheaper"),
        (1_000_000 * 10**6 // 10**3, "dearer"), (1, "cheaper"),
    ],
)  # fmt: skip
def test_a_price_far_from_what_it_was_is_doubted(price: int, doubt: str, database: None) -> None:
    model = published(unheard())

    draft = imported(model, input=price).version

    assert [each.doubt for each in of_model(draft, model)] == [doubt]


@pytest.mark.parametrize(
    ("unit", "price", "doubt"),
    [
        ("output", 10**9, ""), ("output", 10**9 + 1, "dear"), ("output", 0, ""), ("output", 1_000, ""),
        ("output", 999, "cheap"), ("image_out", 10**12, ""), ("image_out", 10**12 + 1, "dear"), ("page", 1, ""),
    ],
)  # fmt: skip
def test_a_new_price_unlike_any_other_is_doubted(unit: str, price: int, doubt: str, database: None) -> None:
    model = unheard()

    prices: dict[str, Any] = {unit: price}
    draft = imported(model, **prices).version

    assert [each.doubt for each in of_model(draft, model) if each.unit == unit] == [doubt]


def test_what_was_free_is_doubted_when_it_is_no_more(database: None) -> None:
    model = published(unheard(), output=0)

    draft = imported(model, output=4_000_000).version

    assert [each.doubt for each in of_model(draft, model)] == ["was_free"]


def test_a_price_that_was_away_is_compared_with_what_it_was(database: None) -> None:
    model = published(unheard())
    publish(import_prices(reading(unheard()), name=uuid4().hex, created_by=ANN, remove_absent=True).version)

    draft = imported(model, input=90_000_000).version

    assert {each.unit: (each.kind, each.doubt) for each in of_model(draft, model)} == {
        "input": ("added", "dearer"),
        "output": ("added", ""),
    }
    publishing.drop_price(item_id=item(draft, model, "input").pk)
    publish(draft)


def test_a_doubted_price_is_not_published_before_it_is_accepted_by_name(database: None) -> None:
    model = published(unheard())
    draft = imported(model, input=6_000_000, output=24_000_000).version

    with pytest.raises(NotReviewed, match=r"2 prices of .* look mistaken"):
        publish(draft)
    publishing.accept_price(item_id=item(draft, model, "input").pk, reason="The vendor says so.", accepted_by=BEN)
    with pytest.raises(NotReviewed, match="1 prices"):
        publish(draft)
    publishing.accept_price(item_id=item(draft, model, "output").pk, reason="The vendor says so.", accepted_by=BEN)

    assert publish(draft).state == "published"
    with money.everything():
        accepted = PriceAcceptance.objects.filter(version=draft).values_list("unit", "reason", "accepted_by")
        assert sorted(accepted) == [
            ("input", "The vendor says so.", BEN),
            ("output", "The vendor says so.", BEN),
        ]


def test_an_acceptance_is_of_one_price(database: None) -> None:
    model = published(unheard())
    draft = imported(model, input=6_000_000).version
    doubted = item(draft, model, "input")
    publishing.accept_price(item_id=doubted.pk, reason="Seen.", accepted_by=BEN)
    with money.everything():
        PriceItem.objects.filter(pk=doubted.pk).update(price=7_000_000)

    with pytest.raises(NotReviewed):
        publish(draft)


def test_a_doubted_price_may_be_dropped(database: None) -> None:
    model = published(unheard())
    draft = imported(model, input=6_000_000, search=2 * 10**12).version

    for unit in ("input", "search"):
        publishing.drop_price(item_id=item(draft, model, unit).pk)

    assert of_model(draft, model) == []
    assert publish(draft).state == "published"


@pytest.mark.parametrize(("price", "alone"), [(1_200_000, True), (1_200_001, False), (800_000, True), (799_999, False)])
def test_a_price_that_moves_by_more_than_a_fifth_takes_two_people(price: int, alone: bool, database: None) -> None:
    model = published(unheard())
    draft = imported(model, input=price, by=ANN)

    assert draft.review.needs_another is not alone
    if alone:
        publish(draft.version, by=ANN)
        return
    with pytest.raises(NeedsAnother, match="more than 20 %"):
        publish(draft.version, by=ANN)
    assert publish(draft.version, by=BEN).published_by == BEN


def test_who_edited_a_draft_has_written_it_too(database: None) -> None:
    model = published(unheard())
    draft = imported(model, input=2_000_000, output=8_000_000, by=ANN).version
    with money.everything():
        publishing.note_editor(version_id=draft.pk, editor=BEN)
        publishing.note_editor(version_id=draft.pk, editor=BEN)

    with pytest.raises(NeedsAnother):
        publish(draft, by=BEN)

    assert publish(draft, by="cleo@example.test").state == "published"


def test_a_new_price_takes_one_person(database: None) -> None:
    assert publish(imported(unheard(), by=ANN).version, by=ANN).state == "published"


def test_a_higher_fee_takes_two_people(database: None) -> None:
    with money.everything():
        fees = PriceList.objects.get(kind=PriceList.Kind.PLATFORM_FEE)
        draft = PriceVersion.objects.create(price_list=fees, name=uuid4().hex, created_by=ANN)
        PriceItem.objects.create(version=draft, model="*", unit="basis_points", price=100)

    with pytest.raises(NeedsAnother):
        publish(draft, by=ANN)


@pytest.mark.parametrize(
    "change",
    [
        f"UPDATE billing_priceversion SET created_by = '{BEN}' WHERE id = %s",
        "UPDATE billing_priceversion SET editors = '{}' WHERE id = %s",
        f"UPDATE billing_priceversion SET state='published', valid_from=now(), published_by='{ANN}' WHERE id = %s",
        "UPDATE billing_priceacceptance SET reason = 'x' WHERE version_id = %s",
        "DELETE FROM billing_priceacceptance WHERE version_id = %s",
    ],
)
def test_the_database_keeps_the_rules_whoever_asks(
    change: str, database: None, database_urls: Mapping[str, str]
) -> None:
    model = published(unheard())
    draft = imported(model, input=6_000_000, by=ANN).version
    publishing.accept_price(item_id=item(draft, model, "input").pk, reason="Seen.", accepted_by=BEN)
    with money.everything():
        publishing.note_editor(version_id=draft.pk, editor=ANN)

    with money.connect(database_urls["platform"]) as staff, pytest.raises(psycopg.Error):
        staff.execute(change.encode(), (draft.pk,))


def test_organizations_see_no_draft_and_no_acceptance(database: None, database_urls: Mapping[str, str]) -> None:
    draft = imported(unheard()).version

    with money.connect(database_urls["app"]) as app:
        seen = app.execute("SELECT count(*) FROM billing_priceitem WHERE version_id = %s", (draft.pk,)).fetchone()
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.execute("SELECT * FROM billing_priceacceptance")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.execute("SELECT billing_price_base(1)")
    assert seen == (0,)


@pytest.mark.parametrize("field", ["reason", "accepted_by"])
def test_an_acceptance_is_explained_and_signed(field: str, database: None) -> None:
    model = unheard()
    draft = imported(model).version
    said = {"reason": "Seen.", "accepted_by": ANN, field: ""}

    with pytest.raises(IntegrityError, match="price_acceptance_is_explained"):
        publishing.accept_price(item_id=item(draft, model, "input").pk, **said)


def test_the_command_drafts_what_came_with_litellm(database: None, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("import_prices", "--by", ANN, "--json", "--name", uuid4().hex)

    told = json.loads(capsys.readouterr().out)
    with money.everything():
        assert PriceVersion.objects.get(pk=told["version"]).state == "draft"
        assert PriceItem.objects.filter(version=told["version"], service_tier="priority").exists()
    assert told["added"] > 1_000
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
    ledger.top_up(id=uuid7(), organization_id=acme.id, amount_nanos=10 * HOLDS, reference="test", actor="test")
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
