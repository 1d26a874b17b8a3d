"""Between a draft of prices and everybody's bills: what looks mistaken is accepted, and two people agree."""

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.db import IntegrityError

from billing import publishing
from billing.models import PriceAcceptance, PriceItem, PriceList, PriceVersion
from billing.price_import import import_prices
from billing.publishing import NeedsAnother, NotReviewed
from tests.billing import money
from tests.billing.price_drafts import ANN, BEN, imported, item, of_model, publish, published, reading, unheard


def test_what_a_draft_changes_is_told_by_how_far_it_goes(database: None) -> None:
    model = published(unheard(), cached_input=100_000, reasoning=4_000_000)

    draft = imported(model, input=1_500_000, reasoning=4_400_000, search=10**9).version

    assert [(each.unit, each.kind, each.factor) for each in of_model(draft, model)] == [
        ("input", "changed", 1.5),
        ("reasoning", "changed", 1.1),
        ("cached_input", "removed", None),
        ("search", "added", None),
    ]


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


@pytest.fixture
def put_back(database: None) -> Iterator[None]:
    """Let the prices that count now count again afterwards."""
    with money.everything():
        current = PriceVersion.objects.get(price_list__kind="provider_cost", state="published", valid_to=None)
    yield
    publish(publishing.copy_version(version_id=current.pk, name=uuid4().hex, created_by=ANN))


@pytest.mark.usefixtures("put_back")
def test_a_price_that_was_away_is_compared_with_what_it_was() -> None:
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
