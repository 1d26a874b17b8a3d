"""litellm's price file becomes whole numbers, and what is doubtful in it is left out."""

import json
from typing import Any

import pytest

from billing.prices import collect

MODEL: dict[str, Any] = {
    "mode": "chat", "litellm_provider": "openai", "input_cost_per_token": 1.5e-07, "output_cost_per_token": 6e-07,
    "cache_read_input_token_cost": 7.5e-08, "max_output_tokens": 100,
}  # fmt: skip
TIER = {"input": 150_000, "output": 600_000, "cached_input": 75_000}


def test_a_model_is_known_by_our_name_and_by_litellms() -> None:
    collected = collect.collect({"mini": MODEL, "gemini/x": {**MODEL, "litellm_provider": "gemini"}})

    assert collected == {key: {"tiers": {"0": TIER}, "most": 100} for key in ("gemini/x", "mini", "openai/mini")}


def test_a_name_that_litellm_lists_itself_keeps_its_own_price() -> None:
    collected = collect.collect({"mini": MODEL, "openai/mini": {**MODEL, "input_cost_per_token": 2e-07}})

    assert collected["openai/mini"]["tiers"]["0"]["input"] == 200_000
    assert collected["mini"]["tiers"]["0"]["input"] == 150_000


def test_long_contexts_become_tiers() -> None:
    collected = collect.collect({"mini": {**MODEL, "input_cost_per_token_above_200k_tokens": 3e-07}})

    assert collected["mini"]["tiers"] == {"0": TIER, "200000": {"input": 300_000}}


@pytest.mark.parametrize(
    "change",
    [
        {"mode": "image_generation"},
        {"output_cost_per_token": None},
        {"input_cost_per_token": 0.0, "output_cost_per_token": 0.0, "cache_read_input_token_cost": 0.0},
        {"input_cost_per_token": 0.15},
        {"input_cost_per_token": -1e-07},
    ],
    ids=["neither chat nor embeddings", "half a price", "no price", "a price per million", "a price below zero"],
)
def test_what_is_doubtful_is_left_out(change: dict[str, Any]) -> None:
    assert collect.collect({"mini": {**MODEL, **change}}) == {}


def test_vectors_cost_nothing_but_what_is_read() -> None:
    entry = {"mode": "embedding", "litellm_provider": "openai", "input_cost_per_token": 2e-08}

    collected = collect.collect({"text-embedding-3-small": entry})

    assert collected["openai/text-embedding-3-small"] == {"tiers": {"0": {"input": 20_000, "output": 0}}, "most": None}


def test_a_part_that_costs_nothing_costs_what_the_whole_costs() -> None:
    collected = collect.collect({"mini": {**MODEL, "cache_read_input_token_cost": 0.0, "max_output_tokens": "many"}})

    assert collected["mini"] == {"tiers": {"0": {"input": 150_000, "output": 600_000}}, "most": None}


def test_what_is_written_are_the_prices_a_new_platform_starts_with(capsys: pytest.CaptureFixture[str]) -> None:
    collect.main()

    written = json.loads(capsys.readouterr().out)
    assert written["source"].startswith("litellm ")
    assert written["models"]["openai/gpt-4o-mini"]["tiers"]["0"] == TIER
    assert len(written["models"]) > 1_000


def test_without_litellm_there_is_nothing_to_collect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collect, "find_spec", lambda _: None)

    with pytest.raises(SystemExit, match="not installed"):
        collect.main()
