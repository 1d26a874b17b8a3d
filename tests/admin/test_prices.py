"""The price table in the hands of staff: drafts change, what is published is history."""

from typing import Any

import pytest
from django.test import Client

from billing import selectors
from billing.models import PriceItem, PriceList, PriceVersion
from tenants.context import platform_context
from tests import make
from tests.admin.cast import fields, page, staff, submit, text

LIST = page("admin", PriceVersion, "changelist")


@pytest.fixture
def them(database: None) -> Client:
    return staff()


def current() -> PriceVersion:
    """The version of the providers' prices that counts now."""
    with platform_context(reason="a test"):
        return PriceVersion.objects.filter(
            price_list__kind=PriceList.Kind.PROVIDER_COST, state="published", valid_to=None
        ).get()


def drafted(client: Client) -> PriceVersion:
    """A copy of it, as the action makes one."""
    client.post(LIST, {"action": "copy", "_selected_action": [current().pk]})
    with platform_context(reason="a test"):
        return PriceVersion.objects.filter(state="draft").latest("id")


def added(client: Client, version: PriceVersion, model: str, **changes: Any) -> Any:
    new = {"version": str(version.pk), "model": model, "unit": "input", "context_from": "0", "price": "0.15", **changes}
    return submit(client, page("admin", PriceItem, "add"), "priceitem_form", **new)


def answered(model: str) -> list[int]:
    """What the price table says the model costs now."""
    with platform_context(reason="a test"):
        return [item.price for item in selectors.price_table(search=model)]


def test_what_is_published_cannot_be_edited(them: Client) -> None:
    version = current()
    with platform_context(reason="a test"):
        item = PriceItem.objects.filter(version=version)[0]

    answers = {
        them.post(page("admin", model, kind, row.pk), {"post": "yes", "name": "x", "price": "0"}).status_code
        for model, row in ((PriceVersion, version), (PriceItem, item))
        for kind in ("change", "delete")
    }

    assert answers == {403}
    assert added(them, version, "openai/forged").context["adminform"].form.errors["version"]


def test_a_published_draft_moves_what_the_table_answers(them: Client) -> None:
    model = make.unique("vendor/model")
    version = drafted(them)
    added(them, version, model)
    before = answered(model)

    them.post(LIST, {"action": "publish", "_selected_action": [version.pk]})

    assert (before, answered(model)) == ([], [150_000])
    assert current().pk == version.pk


def test_a_version_is_published_once(them: Client) -> None:
    said = text(them.post(LIST, {"action": "publish", "_selected_action": [current().pk]}, follow=True))

    assert "is published already" in said


@pytest.mark.parametrize(("entered", "kept"), [("0.15", 150_000), ("0.000001", 1), ("0", 0), ("75", 75_000_000)])
def test_a_price_is_kept_exactly(them: Client, entered: str, kept: int) -> None:
    model = make.unique("vendor/model")
    added(them, drafted(them), model, price=entered)

    with platform_context(reason="a test"):
        item = PriceItem.objects.get(model=model)

    assert item.price == kept
    assert fields(them.get(page("admin", PriceItem, "change", item.pk)), "priceitem_form")["price"] == entered


def test_a_price_finer_than_a_picodollar_is_refused(them: Client) -> None:
    answer = added(them, drafted(them), make.unique("vendor/model"), price="0.0000001")

    assert list(answer.context["adminform"].form.errors) == ["price"]


def test_an_item_of_a_draft_can_be_deleted(them: Client) -> None:
    model = make.unique("vendor/model")
    added(them, drafted(them), model)
    with platform_context(reason="a test"):
        item = PriceItem.objects.get(model=model)

    them.post(page("admin", PriceItem, "delete", item.pk), {"post": "yes"})

    with platform_context(reason="a test"):
        assert not PriceItem.objects.filter(model=model).exists()


@pytest.mark.parametrize(("entered", "kept"), [("5", 500), ("0.25", 25), ("0.001", None)])
def test_a_fee_is_entered_in_percent(them: Client, entered: str, kept: int | None) -> None:
    model = make.unique("vendor/model")

    added(them, drafted(them), model, price=entered, unit="basis_points")

    with platform_context(reason="a test"):
        item = PriceItem.objects.filter(model=model).first()
    assert (item.price if item else None) == kept
    if item:
        shown = fields(them.get(page("admin", PriceItem, "change", item.pk)), "priceitem_form")
        assert shown["price"] == entered


@pytest.mark.parametrize(
    ("unit", "entered", "kept"), [("image_out", "0.04", 4 * 10**10), ("second_in", "0.0001", 10**8)]
)
def test_what_there_are_few_of_is_priced_each(them: Client, unit: str, entered: str, kept: int) -> None:
    model = make.unique("vendor/model")
    added(them, drafted(them), model, price=entered, unit=unit)

    with platform_context(reason="a test"):
        item = PriceItem.objects.get(model=model)

    assert item.price == kept
    assert fields(them.get(page("admin", PriceItem, "change", item.pk)), "priceitem_form")["price"] == entered
    assert f"${entered} each" in text(them.get(page("admin", PriceItem, "changelist") + f"?q={model}"))


def test_nothing_costs_more_than_ten_dollars(them: Client) -> None:
    answer = added(them, drafted(them), make.unique("vendor/model"), price="10.01", unit="image_out")

    assert list(answer.context["adminform"].form.errors) == ["price"]


def review_of(version: PriceVersion) -> str:
    return page("admin", PriceVersion, "review", version.pk)


def item_of(model: str) -> PriceItem:
    with platform_context(reason="a test"):
        return PriceItem.objects.filter(model=model).latest("id")


def test_a_price_per_token_in_the_place_of_one_per_million_is_caught(them: Client) -> None:
    model = make.unique("vendor/model")
    version = drafted(them)

    added(them, version, model, price="0.000003")
    said = text(them.get(page("admin", PriceItem, "changelist")))

    assert "is it per token where it should be per million?" in said
    refused = staff().post(LIST, {"action": "publish", "_selected_action": [version.pk]}, follow=True)
    assert "look mistaken" in text(refused)
    assert current().pk != version.pk


def test_a_draft_is_looked_at_accepted_and_published_on_one_page(them: Client) -> None:
    model = make.unique("vendor/model")
    version = drafted(them)
    added(them, version, model, price="0.0005")
    before = text(them.get(review_of(version)))

    them.post(review_of(version), {"decision": "accept", "item_id": item_of(model).pk, "reason": "The vendor says so."})
    them.post(review_of(version), {"decision": "publish"})

    assert "1 prices look mistaken" in before
    assert '"publish_form"' not in before
    assert current().pk == version.pk


def test_an_acceptance_without_a_reason_is_none(them: Client) -> None:
    model = make.unique("vendor/model")
    version = drafted(them)
    added(them, version, model, price="0.0005")

    said = text(them.post(review_of(version), {"decision": "accept", "item_id": item_of(model).pk}, follow=True))

    assert "Say why this price is right." in said
    assert "1 prices look mistaken" in said


def test_a_doubted_price_is_dropped_on_the_page(them: Client) -> None:
    model = make.unique("vendor/model")
    version = drafted(them)
    added(them, version, model, price="0.0005")

    said = text(them.post(review_of(version), {"decision": "drop", "item_id": item_of(model).pk}, follow=True))

    assert "It changes nothing." in said


def test_who_wrote_a_draft_does_not_publish_what_moves_far(them: Client) -> None:
    model = make.unique("vendor/model")
    first = drafted(them)
    added(them, first, model)
    them.post(review_of(first), {"decision": "publish"})
    second = drafted(them)
    with platform_context(reason="a test"):
        item = PriceItem.objects.get(version=second, model=model)
    submit(them, page("admin", PriceItem, "change", item.pk), "priceitem_form", price="0.30")

    mine, theirs = text(them.get(review_of(second))), text(staff().get(review_of(second)))
    said = text(them.post(review_of(second), {"decision": "publish"}, follow=True))

    assert ('"publish_form"' in mine, '"publish_form"' in theirs) == (False, True)
    assert "changes by more than 20 %" in said
    assert current().pk == first.pk


def test_a_price_of_another_draft_is_not_decided_here(them: Client) -> None:
    model = make.unique("vendor/model")
    one, other = drafted(them), drafted(them)
    added(them, other, model, price="0.0005")

    asked = {"decision": "accept", "item_id": item_of(model).pk, "reason": "x"}
    said = text(them.post(review_of(one), asked, follow=True))

    assert "not in the draft any more" in said


def test_what_is_published_is_shown_and_not_decided(them: Client) -> None:
    version = current()

    assert them.get(review_of(version)).status_code == 200
    assert them.post(review_of(version), {"decision": "publish"}).status_code == 404
    assert them.get(page("admin", PriceVersion, "review", 10**9)).status_code == 404
