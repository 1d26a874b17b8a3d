"""litellm's price file becomes whole numbers, and what is doubtful in it is left out by name."""

import json
from pathlib import Path
from typing import Any

import pytest

from billing.prices import litellm
from billing.prices.litellm import collect
from billing.tiers import model_price

MODEL: dict[str, Any] = {
    "mode": "chat", "litellm_provider": "openai", "input_cost_per_token": 1.5e-07, "output_cost_per_token": 6e-07,
    "cache_read_input_token_cost": 7.5e-08, "max_output_tokens": 100,
}  # fmt: skip


def prices(entry: dict[str, Any], *, name: str = "mini") -> dict[tuple[str, str, int], int]:
    """The prices of one entry by unit, service tier and context."""
    reading = collect({name: entry})
    return {(item.unit, item.service_tier, item.context_from): item.price_pico for item in reading.models.get(name, ())}


def reason(entry: Any) -> str:
    """Why an entry is left out."""
    return collect({"mini": entry}).skipped["mini"]


def test_a_model_is_known_by_our_name_and_by_litellms() -> None:
    reading = collect({"mini": MODEL, "gemini/x": {**MODEL, "litellm_provider": "gemini"}})

    assert list(reading.models) == ["gemini/x", "mini", "openai/mini"]
    assert prices(MODEL) == {("input", "", 0): 150_000, ("output", "", 0): 600_000, ("cached_input", "", 0): 75_000}
    assert [item.most for item in reading.models["mini"] if item.unit == "output"] == [100]


def test_a_name_that_litellm_lists_itself_keeps_its_own_price() -> None:
    reading = collect({"mini": MODEL, "openai/mini": {**MODEL, "input_cost_per_token": 2e-07}})

    own, derived = reading.models["openai/mini"], reading.models["mini"]
    assert [item.price_pico for item in own if item.unit == "input"] == [200_000]
    assert [item.price_pico for item in derived if item.unit == "input"] == [150_000]


@pytest.mark.parametrize(
    ("key", "price"),
    [
        ("input_cost_per_token_above_200k_tokens", ("input", "", 200_000)),
        ("cache_read_input_token_cost_above_272k_tokens", ("cached_input", "", 272_000)),
        ("cache_creation_input_token_cost_above_1hr", ("cache_write_1h", "", 0)),
        ("cache_creation_input_token_cost_above_1hr_above_200k_tokens", ("cache_write_1h", "", 200_000)),
        ("output_cost_per_token_batches", ("output", "batch", 0)),
        ("output_cost_per_token_flex", ("output", "flex", 0)),
        ("input_cost_per_token_above_272k_tokens_priority", ("input", "priority", 272_000)),
        ("output_cost_per_reasoning_token", ("reasoning", "", 0)),
        ("output_cost_per_image_token", ("output_image", "", 0)),
        ("input_cost_per_audio_token", ("input_audio", "", 0)),
        ("citation_cost_per_token", ("citation", "", 0)),
        ("input_cost_per_request", ("request", "", 0)),
    ],
)
def test_every_kind_of_price_is_known(key: str, price: tuple[str, str, int]) -> None:
    assert prices({**MODEL, key: 3e-07})[price] == 300_000


@pytest.mark.parametrize(
    ("mode", "key", "unit"),
    [
        ("image_generation", "output_cost_per_image", "image_out"),
        ("image_edit", "input_cost_per_image", "image_in"),
        ("image_generation", "output_cost_per_pixel", "pixel_out"),
        ("audio_transcription", "input_cost_per_second", "second_in"),
        ("video_generation", "output_cost_per_video_per_second", "second_out"),
        ("audio_speech", "input_cost_per_character", "character_in"),
        ("rerank", "input_cost_per_query", "search"),
        ("ocr", "ocr_cost_per_page", "page"),
    ],
)
def test_what_is_not_billed_by_the_token_has_tokens_for_nothing(mode: str, key: str, unit: str) -> None:
    entry = {"mode": mode, "litellm_provider": "openai", key: 2e-03}

    assert prices(entry) == {(unit, "", 0): 2 * 10**9, ("input", "", 0): 0, ("output", "", 0): 0}


def test_what_would_be_charged_twice_is_charged_once() -> None:
    seconds = {"mode": "audio_transcription", "litellm_provider": "openai", "input_cost_per_second": 1e-04}
    drawn = {**MODEL, "mode": "image_generation", "output_cost_per_image": 0.1, "output_cost_per_image_token": 1e-05}

    assert ("second_out", "", 0) not in prices({**seconds, "output_cost_per_second": 1e-04})
    assert ("image_out", "", 0) not in prices(drawn)
    assert ("image_out", "", 0) not in prices({**drawn, "mode": "chat"})


def test_prices_by_ranges_become_tiers() -> None:
    entry = {
        "mode": "chat", "litellm_provider": "dashscope",
        "tiered_pricing": [
            {"range": [0, 256000.0], "input_cost_per_token": 5e-08, "output_cost_per_token": 4e-07},
            {"range": [256000.0, 1000000.0], "input_cost_per_token": 2.5e-07, "output_cost_per_token": 2e-06},
        ],
    }  # fmt: skip

    assert prices(entry) == {
        ("input", "", 0): 50_000, ("output", "", 0): 400_000,
        ("input", "", 256_000): 250_000, ("output", "", 256_000): 2_000_000,
    }  # fmt: skip


SIZES = {"search_context_size_low": 5e-03, "search_context_size_medium": 8e-03, "search_context_size_high": 1.2e-02}


@pytest.mark.parametrize(
    ("name", "entry", "unit", "pico", "most"),
    [
        ("mini", {}, "search", 8 * 10**9, None),
        ("gpt-4o-search-preview", {}, "request", 8 * 10**9, None),
        ("perplexity/sonar", {"litellm_provider": "perplexity"}, "request", 5 * 10**9, None),
        (
            "perplexity/deep",
            {"litellm_provider": "perplexity", "citation_cost_per_token": 2e-6},
            "search",
            8 * 10**9,
            30,
        ),
    ],
)
def test_a_search_is_priced_where_it_is_reported(
    name: str, entry: dict[str, Any], unit: str, pico: int, most: int | None
) -> None:
    items = collect({name: {**MODEL, **entry, "search_context_cost_per_query": SIZES}}).models[name]

    assert [(item.unit, item.price_pico, item.most) for item in items if item.unit in ("search", "request")] == [
        (unit, pico, most)
    ]


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ({**MODEL, "mode": "realtime"}, "not of our kind: realtime"),
        ({**MODEL, "mode": None}, "not of our kind: None"),
        ({**MODEL, "output_cost_per_token": None}, "partial: no price for output tokens"),
        ({"mode": "chat", "litellm_provider": "openai"}, "partial: no price for input and output tokens"),
        ({**MODEL, "input_cost_per_moon": 1e-7}, "partial: input_cost_per_moon is a price of nothing we know"),
        (
            {**MODEL, "input_cost_per_token": 0.0, "output_cost_per_token": 0, "cache_read_input_token_cost": 0.0},
            "free: a price of nothing is more often a gap in the file than a gift",
        ),
        ({**MODEL, "input_cost_per_token_cache_hit": 1e-08}, "conflict: two prices for cached_input"),
        (
            {**MODEL, "input_cost_per_token": 0.15},
            "beyond belief: the price of input is 0.15 dollars; per thousand, or per million?",
        ),
        ({**MODEL, "input_cost_per_token": -1e-07}, "below zero: the price of input"),
        ({**MODEL, "input_cost_per_token": float("nan")}, "below zero: the price of input"),
        ({**MODEL, "input_cost_per_token": "1e-7"}, "not a number: the price of input"),
        ({**MODEL, "input_cost_per_token": True}, "not a number: the price of input"),
        ({**MODEL, "tiered_pricing": [{"input_cost_per_token": 1}]}, "partial: a tier without a range"),
        ([1], "no entry of a model"),
        ({**MODEL, "litellm_provider": None}, "no entry of a model"),
    ],
)
def test_what_is_doubtful_is_left_out_and_named(entry: Any, why: str) -> None:
    assert reason(entry) == why


def test_vectors_cost_nothing_but_what_is_read() -> None:
    entry = {"mode": "embedding", "litellm_provider": "openai", "input_cost_per_token": 2e-08}

    assert prices(entry) == prices({**entry, "output_cost_per_token": 1e-08})
    assert prices(entry) == {("input", "", 0): 20_000, ("output", "", 0): 0}


def test_a_part_that_costs_nothing_costs_what_the_whole_costs() -> None:
    entry = {**MODEL, "cache_read_input_token_cost": 0.0, "max_output_tokens": "many"}

    assert prices(entry) == {("input", "", 0): 150_000, ("output", "", 0): 600_000}


def test_the_file_that_came_with_litellm_is_read_without_importing_it() -> None:
    reading = litellm.read()

    assert reading.source.startswith("litellm ")
    assert len(reading.models) > 3_000
    assert all(model_price(items) for items in reading.models.values())
    assert not any(why.startswith(("not a number", "below")) for why in reading.skipped.values())


@pytest.mark.parametrize("text", ["", "[]", "{", '"x"'])
def test_what_is_no_file_of_prices_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "prices.json"
    file.write_text(text)

    with pytest.raises(ValueError):  # json's own errors are of this kind
        litellm.read(file)


def test_a_file_may_be_named(tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_text(json.dumps({"sample_spec": {"mode": "chat"}, "mini": MODEL}))

    reading = litellm.read(file)

    assert (reading.source, list(reading.models), dict(reading.skipped)) == ("mine.json", ["mini", "openai/mini"], {})


def test_without_litellm_a_file_has_to_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(litellm, "find_spec", lambda _: None)

    with pytest.raises(FileNotFoundError, match="name a file"):
        litellm.read()
