"""Prices as they are looked up and published: pinned versions, no overlap, no change, no price for free."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from importlib import import_module
from types import SimpleNamespace
from uuid import uuid4

import psycopg
import pytest
from django.db import IntegrityError, connections, transaction

from billing import publishing, selectors
from billing.errors import PriceUnavailable
from billing.models import PriceItem, PriceList, PriceVersion
from billing.price_table import REMEMBERED_SECONDS, PriceTable, table
from billing.pricing import MOST_TOKEN_PICO, AgentPrice, PriceTerms, terms
from billing.units import MOST_TOKENS
from tenants.context import PLATFORM
from tests.billing import money


def _terms(model: str, price: AgentPrice | None = None, *, platform: bool = True, allowed: bool = False) -> PriceTerms:
    return money.run(
        terms(
            model=model,
            agent_price=price or AgentPrice(),
            platform_credential=platform,
            owner_is_payer=False,
            unpriced_allowed=allowed,
        )
    )


def _current(kind: str = "provider_cost") -> PriceVersion:
    with money.everything():
        return PriceVersion.objects.get(price_list__kind=kind, state="published", valid_to=None)


def _copy() -> PriceVersion:
    return publishing.copy_version(
        version_id=_current().pk, name=f"copy {uuid4().hex[:8]}", created_by="a@example.test"
    )


def _publish(version: PriceVersion) -> PriceVersion:
    return publishing.publish_version(version_id=version.pk, published_by="b@example.test")


def test_a_new_platform_knows_the_prices_of_usual_models(database: None) -> None:
    found = _terms("openai/gpt-4o-mini", AgentPrice(markup_bps=300, input_pico=5))

    assert found.model is not None
    assert (found.model.tier(1).input, found.model.tier(1).output) == (150_000, 600_000)
    assert found.model.max_output_tokens == 16_384
    assert (found.markup_bps, found.input_pico, found.output_pico, found.fee_bps) == (300, 5, 0, 0)
    assert found.price_version_id == _current().pk
    assert _terms("gpt-4o-mini").model == found.model


def test_a_dearer_tier_inherits_what_it_does_not_name(database: None) -> None:
    model = _terms("gemini/gemini-2.5-pro").model

    assert model is not None
    assert (model.tier(200_000).output, model.tier(200_001).output) == (10_000_000, 15_000_000)


def test_what_is_kept_for_an_hour_has_its_own_price_or_twice_that_of_input_unless_keeping_is_free(
    database: None,
) -> None:
    claude, mini = _terms("anthropic/claude-haiku-4-5").model, _terms("openai/gpt-4o-mini").model
    other = _terms("aihubmix/claude-fable-5").model

    assert claude is not None
    assert mini is not None
    assert other is not None
    assert (other.tier(1).cache_write, other.tier(1).cache_write_1h) == (13_750_000, 22_000_000)
    assert (claude.tier(1).cache_write, claude.tier(1).cache_write_1h) == (1_250_000, 2_000_000)
    assert (mini.tier(1).cache_write, mini.tier(1).cache_write_1h) == (150_000, 150_000)


def test_an_image_costs_what_it_is_a_part_of_unless_it_has_a_price(database: None) -> None:
    mini, drawing = _terms("openai/gpt-4o-mini").model, _terms("vertex_ai/deep-research-pro-preview-12-2025").model

    assert mini is not None
    assert drawing is not None
    assert (mini.tier(1).input_image, mini.tier(1).output_image) == (150_000, 600_000)
    assert (drawing.tier(1).output, drawing.tier(1).output_image) == (12_000_000, 120_000_000)


def test_a_model_with_a_price_for_long_calls_only_has_none(database: None) -> None:
    draft, model = _copy(), f"long/only-{uuid4().hex}"
    with money.everything():
        PriceItem.objects.create(version=draft, model=model, unit="input", context_from=200_000, price=160_000)
    _publish(draft)

    with pytest.raises(PriceUnavailable, match=model):
        _terms(model)


def test_a_model_without_a_price_is_refused_by_name(database: None) -> None:
    with pytest.raises(PriceUnavailable, match="nobody/nothing") as refusal:
        _terms("nobody/nothing")
    assert refusal.value.model == "nobody/nothing"


@pytest.mark.parametrize(
    ("model", "price", "platform", "allowed", "served"),
    [
        ("nobody/nothing", AgentPrice(per_run_nanos=1), True, False, False),
        ("nobody/nothing", AgentPrice(per_run_nanos=1), True, True, True),
        ("nobody/nothing", AgentPrice(output_pico=0), False, False, True),
        ("nobody/nothing", AgentPrice(markup_bps=100), False, True, False),
        ("scripted/persona", AgentPrice(input_pico=0), True, False, True),
        ("scripted/persona", AgentPrice(), True, False, False),
    ],
)
def test_an_unpriced_model_needs_an_explicit_price_and_nobody_who_is_surprised(
    model: str,
    price: AgentPrice,
    platform: bool,
    allowed: bool,
    served: bool,
    database: None,
) -> None:
    try:
        found = _terms(model, price, platform=platform, allowed=allowed)
    except PriceUnavailable:
        assert not served
    else:
        assert served
        assert found.model is None


def test_on_the_event_loop_a_price_is_read_in_a_thread(database: None) -> None:
    table.forget()

    async def look() -> list[PriceTerms]:
        asked = {
            "model": "openai/gpt-4o-mini", "agent_price": AgentPrice(), "platform_credential": True,
            "owner_is_payer": False, "unpriced_allowed": False,
        }  # fmt: skip
        return [await terms(**asked), await terms(**asked)]  # type: ignore[arg-type]  # one dict for two calls

    first, second = money.run(look())

    assert first == second == _terms("openai/gpt-4o-mini")


def test_a_published_version_counts_at_once_and_ends_the_one_before(database: None) -> None:
    before, draft = _current(), _copy()
    with money.everything():
        PriceItem.objects.create(version=draft, model="new/model", unit="input", price=160_000)
        PriceItem.objects.create(version=draft, model="new/model", unit="output", price=640_000)
    with pytest.raises(PriceUnavailable):
        _terms("new/model")

    published = _publish(draft)

    found = _terms("new/model")
    assert found.price_version_id == published.pk
    assert found.model is not None
    assert found.model.tier(1).input == 160_000
    with money.everything():
        before.refresh_from_db()
    assert before.valid_to == published.valid_from


def test_publishing_tells_the_other_processes(database: None, database_urls: Mapping[str, str]) -> None:
    draft = _copy()
    with money.connect(database_urls["app"]) as listener:
        listener.execute("LISTEN robutler")
        _publish(draft)
        told = next(iter(listener.notifies(timeout=5, stop_after=1)))

    assert told.payload == f"price {draft.pk}"


def test_a_version_is_published_once(database: None) -> None:
    draft = _copy()
    _publish(draft)

    with pytest.raises(publishing.NotADraft):
        _publish(draft)


def test_a_version_may_be_written_item_by_item(database: None) -> None:
    with money.everything():
        price_list = PriceList.objects.get(kind=PriceList.Kind.PLATFORM_FEE)
        draft = PriceVersion.objects.create(price_list=price_list, name=uuid4().hex, created_by="a@example.test")
        PriceItem.objects.create(version=draft, model="*", unit="basis_points", price=250)
    nothing = publishing.copy_version(
        version_id=_current("platform_fee").pk, name=uuid4().hex, created_by="a@example.test"
    )

    _publish(draft)
    charged = _terms("openai/gpt-4o-mini").fee_bps
    _publish(nothing)

    assert charged == 250
    assert _terms("openai/gpt-4o-mini").fee_bps == 0


def test_two_versions_never_count_at_the_same_time(database: None) -> None:
    draft = _copy()

    with pytest.raises(IntegrityError, match="price_version_no_overlap"), money.everything():
        PriceVersion.objects.filter(pk=draft.pk).update(state="published", valid_from=datetime(2020, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE billing_priceitem SET price = 0 WHERE version_id = %s",
        "DELETE FROM billing_priceitem WHERE version_id = %s",
        "INSERT INTO billing_priceitem (version_id, model, unit, price) VALUES (%s, 'other/model', 'input', 1)",
        "UPDATE billing_priceversion SET state = 'draft' WHERE id = %s",
        "UPDATE billing_priceversion SET valid_from = now() WHERE id = %s",
        "DELETE FROM billing_priceversion WHERE id = %s",
    ],
)
def test_a_published_price_does_not_change(statement: str, database_urls: Mapping[str, str]) -> None:
    version = _current().pk
    with money.connect(database_urls[PLATFORM]) as staff, pytest.raises(psycopg.errors.RestrictViolation):
        staff.execute(statement.encode(), (version,))


@pytest.mark.parametrize(
    ("unit", "highest", "column"),
    [
        ("output", MOST_TOKEN_PICO, "price"),
        ("basis_points", 10_000, "price"),
        ("output", MOST_TOKENS, "most"),
    ],
)
def test_a_price_has_a_bound(
    unit: str, highest: int, column: str, database: None, database_urls: Mapping[str, str]
) -> None:
    draft = _copy()
    values = "%s, 1" if column == "price" else "1, %s"
    insert = f"INSERT INTO billing_priceitem (version_id, model, unit, price, most) SELECT %s, %s, %s, {values}"

    with money.connect(database_urls["platform"]) as platform:
        platform.execute(insert.encode(), (draft.pk, "at/bound", unit, highest))
        with pytest.raises(psycopg.errors.CheckViolation, match=f"price_item_{column}_bounded"):
            platform.execute(insert.encode(), (draft.pk, "beyond/bound", unit, highest + 1))


def test_a_draft_may_be_thrown_away(database: None, database_urls: Mapping[str, str]) -> None:
    draft = _copy().pk
    with money.connect(database_urls[PLATFORM]) as staff:
        staff.execute("UPDATE billing_priceversion SET name = name || '!' WHERE id = %s", (draft,))
        staff.execute("DELETE FROM billing_priceitem WHERE version_id = %s", (draft,))
        assert staff.execute("DELETE FROM billing_priceversion WHERE id = %s", (draft,)).rowcount == 1


def test_what_was_read_is_remembered_for_a_while(database: None, monkeypatch: pytest.MonkeyPatch) -> None:
    remembering = PriceTable()
    remembering.lookup("openai/gpt-4o-mini")

    assert remembering.remembered("openai/gpt-4o-mini")
    assert not remembering.remembered("openai/gpt-4o")

    monkeypatch.setattr(remembering, "_read_at", remembering._read_at - REMEMBERED_SECONDS - 1)
    assert not remembering.remembered("openai/gpt-4o-mini")


def test_who_reads_a_price_keeps_nobody_from_a_known_one(database: None, database_urls: Mapping[str, str]) -> None:
    known = table.lookup("openai/gpt-4o-mini")

    with ThreadPoolExecutor(1) as others, money.connect(database_urls["owner"]) as owner:
        with owner.transaction():
            owner.execute("LOCK billing_priceitem IN ACCESS EXCLUSIVE MODE")
            slow = others.submit(table.lookup, f"unheard/of-{uuid4().hex}")
            money.until_blocked(owner.info.backend_pid, database_urls)
            assert table.remembered("openai/gpt-4o-mini") == table.lookup("openai/gpt-4o-mini") == known
        assert slow.result(10)[1] is None


def test_what_was_read_while_prices_were_published_is_not_remembered(
    database: None, database_urls: Mapping[str, str]
) -> None:
    model = f"unheard/of-{uuid4().hex}"

    with ThreadPoolExecutor(1) as others, money.connect(database_urls["owner"]) as owner:
        with owner.transaction():
            owner.execute("LOCK billing_priceitem IN ACCESS EXCLUSIVE MODE")
            reading = others.submit(table.lookup, model)
            money.until_blocked(owner.info.backend_pid, database_urls)
            table.forget()
        reading.result(10)

    assert table.remembered(model) is None


def test_the_price_table_lists_what_counts_now(database: None) -> None:
    rows = list(selectors.price_table(search="openai/gpt-4o-mini").values_list("model", "unit", "version_id"))

    assert ("openai/gpt-4o-mini", "input", _current().pk) in rows


def test_a_part_of_a_price_is_no_price(database: None) -> None:
    version, models = _copy(), {f"openai/{units}": units for units in ("input_image", "input", "output")}
    with money.everything():
        for model, unit in models.items():
            PriceItem.objects.create(version=version, model=model, unit=unit, price=100_000)
    _publish(version)

    for model in models:
        with pytest.raises(PriceUnavailable):
            _terms(model)


def test_an_older_platform_is_told_prices_of_new_kinds_for_the_models_that_it_knows(
    database: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    claude, current = "anthropic/claude-haiku-4-5", _current()
    assert current.valid_from is not None
    moment = current.valid_from + timedelta(milliseconds=1)
    with money.everything(), transaction.atomic(using=PLATFORM):
        PriceVersion.objects.filter(id=current.pk).update(valid_to=moment)
        older = PriceVersion.objects.create(price_list_id=current.price_list_id, name="older", created_by="migration")
        for unit in ("input", "output"):
            price = PriceItem.objects.get(version=current, model=claude, unit=unit, service_tier="").price
            PriceItem.objects.create(version=older, model=claude, unit=unit, price=price)
        PriceVersion.objects.filter(id=older.pk).update(state="published", valid_from=moment, published_by="migration")

        migration = import_module("billing.migrations.0009_prices_of_kinds")
        monkeypatch.setattr(migration, "DRAFT", migration.DRAFT.replace("kinds of tokens", "told again"))
        migration.add(None, SimpleNamespace(connection=connections[PLATFORM]))

        told = PriceItem.objects.filter(version_id__gt=older.pk).values_list("model", "unit")
        units = sorted(unit for model, unit in told if model == claude)
        others = [model for model, _ in told if model != claude]
        transaction.set_rollback(True, using=PLATFORM)
    assert (units, others) == (["cache_write_1h", "input", "output"], [])
