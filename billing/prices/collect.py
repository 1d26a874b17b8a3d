"""Turns litellm's packaged price file into the whole numbers a new platform starts with.

Run it when litellm is updated, and publish what changed as a new version:

    python -m billing.prices.collect > prices.json
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from decimal import Decimal
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

FILE = "model_prices_and_context_window_backup.json"
PICOS = 10**12
DEAREST = PICOS // 100
"""A token above a cent is a mistake: a price per thousand or per million in the wrong place."""

UNITS = {
    "input_cost_per_token": "input",
    "cache_read_input_token_cost": "cached_input",
    "input_cost_per_token_cache_hit": "cached_input",
    "cache_creation_input_token_cost": "cache_write",
    "cache_creation_input_token_cost_above_1hr": "cache_write_1h",
    "input_cost_per_audio_token": "input_audio",
    "input_cost_per_image_token": "input_image",
    "output_cost_per_token": "output",
    "output_cost_per_reasoning_token": "reasoning",
    "output_cost_per_audio_token": "output_audio",
    "output_cost_per_image_token": "output_image",
}
MODES = ("chat", "embedding")
WHOLES = ("input_cost_per_token", "output_cost_per_token")
PROVIDERS = {"bedrock_converse": "bedrock", "cohere_chat": "cohere", "text-completion-openai": "openai"}
_TIER = re.compile(r"(?P<name>.+)_above_(?P<thousands>\d+)k_tokens")


def collect(models: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The prices of all models for chat and embeddings by our names and by litellm's.

    Each has tiers by their least input, and the most output.
    """
    collected: dict[str, Any] = {}
    for name, entry in models.items():
        if entry.get("mode") not in MODES or not (tiers := _tiers(entry)):
            continue
        most = entry.get("max_output_tokens")
        price = {"tiers": tiers, "most": most if isinstance(most, int) and most > 0 else None}
        for known_as in _names(name, str(entry["litellm_provider"])):
            # What litellm says of a name itself goes before what follows from the name.
            if known_as == name or known_as not in models:
                collected.setdefault(known_as, price)
    return dict(sorted(collected.items()))


def _names(name: str, provider: str) -> Iterator[str]:
    yield name
    prefix = PROVIDERS.get(provider, provider.split("-", maxsplit=1)[0])
    if not name.startswith(f"{prefix}/"):
        yield f"{prefix}/{name}"


def _tiers(entry: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    tiers: dict[str, dict[str, int]] = {}
    for key, value in entry.items():
        matched = _TIER.fullmatch(key)
        name, above = (matched["name"], int(matched["thousands"]) * 1_000) if matched else (key, 0)
        # A part of a total that costs nothing is a gap in the file: it costs what the total costs.
        if name in UNITS and isinstance(value, int | float) and (value or name in WHOLES):
            tiers.setdefault(str(above), {}).setdefault(UNITS[name], _pico(value))
    first = tiers.get("0", {})
    if entry["mode"] == "embedding" and first:
        first["output"] = 0  # vectors are not written in tokens
    whole = "input" in first and "output" in first
    sane = all(0 <= pico <= DEAREST for tier in tiers.values() for pico in tier.values())
    # A price of nothing is more often a gap in the file than a gift.
    return dict(sorted(tiers.items(), key=lambda tier: int(tier[0]))) if whole and sane and any(first.values()) else {}


def _pico(dollars: float) -> int:
    return round(Decimal(repr(dollars)) * PICOS)


def _installed() -> Path:
    # Found, not imported: importing litellm takes seconds and calls the network.
    spec = find_spec("litellm")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("litellm is not installed.")
    return Path(spec.submodule_search_locations[0]) / FILE


def main() -> None:
    """Write the prices to standard output, one model a line."""
    prices = collect(json.loads(_installed().read_text()))
    lines = ",\n".join(
        f"{json.dumps(name)}:{json.dumps(price, separators=(',', ':'))}" for name, price in prices.items()
    )
    source = json.dumps(f"litellm {version('litellm')}")
    sys.stdout.write(f'{{"source":{source},"models":{{\n{lines}\n}}}}\n')


if __name__ == "__main__":
    main()
