"""Reads litellm's price file: whole picodollars per unit, and a reason for everything that is left out."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from billing.tiers import WHOLE, Item
from billing.units import MOST_TOKENS, REQUEST, dearest

FILE = "model_prices_and_context_window_backup.json"
PICOS = 10**12

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
    "citation_cost_per_token": "citation",
    "input_cost_per_query": "search",
    "input_cost_per_request": "request",
    "input_cost_per_image": "image_in",
    "output_cost_per_image": "image_out",
    "input_cost_per_pixel": "pixel_in",
    "output_cost_per_pixel": "pixel_out",
    "input_cost_per_second": "second_in",
    "input_cost_per_audio_per_second": "second_in",
    "input_cost_per_video_per_second": "second_in",
    "output_cost_per_second": "second_out",
    "output_cost_per_video_per_second": "second_out",
    "input_cost_per_character": "character_in",
    "output_cost_per_character": "character_out",
    "ocr_cost_per_page": "page",
}
SEARCH = "search_context_cost_per_query"
TIERED = "tiered_pricing"
NOT_OURS = re.compile(
    r".*_(?:balanced|ultrafast|decisions)|.*dbu_cost.*|google_maps_.*|off_peak_pricing|code_interpreter_.*|file_search_.*"
    r"|vector_store_.*|computer_use_.*|annotation_cost_per_page.*|.*(?:audio|image)_token_cost|explicit_cache_.*"
    r"|.*_video_token(?:_batches)?"
)
"""Prices of what no call of ours asks for: tools and speeds that nobody is given, caches of sound and images."""
MODES = frozenset(
    (
        "chat", "completion", "responses", "embedding", "image_generation", "image_edit", "audio_transcription",
        "audio_speech", "rerank", "search", "ocr", "video_generation",
    )
)  # fmt: skip
TALKING = frozenset(("chat", "completion", "responses"))
"""Their images and seconds are told in tokens: a price of each beside would be charged twice."""
PIECES = frozenset(("image_in", "image_out", "pixel_in", "pixel_out", "second_in", "second_out"))
PROVIDERS = {"bedrock_converse": "bedrock", "cohere_chat": "cohere", "text-completion-openai": "openai"}
MOST = {"citation": 200_000, "image_in": 10, "image_out": 10, "second_in": 3_600, "second_out": 60}
"""As much as one call is expected to use of what nobody can bound by what is sent."""
SEARCHES = 30
"""As many as a model that researches by itself is known to make in one call."""
_KEY = re.compile(r"(?P<name>.+?)(?:_above_(?P<thousands>\d+)k_tokens)?(?:_(?P<tier>batches|flex|priority))?")
_SEARCHING = re.compile(r"search-(?:preview|api)")
_COST = re.compile(r"cost|pric(?:e|ing)")


class Unusable(ValueError):
    """An entry that is left out, and why."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """The prices of a file by our names of models, and why entries were left out."""

    source: str
    models: Mapping[str, tuple[Item, ...]]
    skipped: Mapping[str, str]


def installed() -> Path:
    """The file that came with litellm: found, not imported, since importing takes seconds and asks the network."""
    spec = find_spec("litellm")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("litellm is not installed: name a file.")
    return Path(spec.submodule_search_locations[0]) / FILE


def read(path: Path | None = None) -> Reading:
    """The prices in a file, or in the one that came with litellm. Raises OSError and ValueError."""
    found = path or installed()
    entries = json.loads(found.read_text())
    if not isinstance(entries, dict):
        raise ValueError(f"{found} holds no object of models.")
    source = f"{path.name}" if path else f"litellm {version('litellm')}"
    return collect(entries, source=source)


def collect(entries: Mapping[str, Any], *, source: str = "") -> Reading:
    """The prices by our names and by litellm's; what is doubtful, partial or contradicts itself is left out."""
    models: dict[str, tuple[Item, ...]] = {}
    skipped: dict[str, str] = {}
    for name, entry in entries.items():
        if name == "sample_spec":
            continue
        try:
            items = items_of(name, entry)
        except Unusable as reason:
            skipped[name] = str(reason)
            continue
        models[name] = items
        # What litellm says of a name itself goes before what follows from the name.
        if (ours := _our_name(name, str(entry["litellm_provider"]))) not in entries:
            models[ours] = items
    return Reading(source=source, models=dict(sorted(models.items())), skipped=dict(sorted(skipped.items())))


def items_of(name: str, entry: object) -> tuple[Item, ...]:
    """The prices of one entry. Raises Unusable."""
    if not isinstance(entry, dict) or not isinstance(entry.get("litellm_provider"), str):
        raise Unusable("no entry of a model")
    mode = entry.get("mode")
    if mode not in MODES:
        raise Unusable(f"not of our kind: {mode}")
    if not 0 < len(name) <= 150:
        raise Unusable("the name is too long")
    items = _once(_named(name, entry))
    if mode == "embedding":  # vectors are not written in tokens, whatever the file asks for them
        items = {key: item for key, item in items.items() if item.unit != "output"}
    _drop_doubles(items, mode=mode)
    usual = {unit for tier, unit, above in items if not tier and not above}
    if mode not in TALKING and usual:
        for unit in WHOLE - usual:
            items["", unit, 0] = Item(unit=unit, price_pico=0)
    elif not usual >= WHOLE:
        raise Unusable("partial: no price for " + " and ".join(sorted(WHOLE - usual)) + " tokens")
    if not any(item.price_pico for item in items.values()):
        raise Unusable("free: a price of nothing is more often a gap in the file than a gift")
    return tuple(_bounded(items[key], entry) for key in sorted(items))


def _once(named: Iterator[Item]) -> dict[tuple[str, str, int], Item]:
    items: dict[tuple[str, str, int], Item] = {}
    for item in named:
        if items.setdefault((item.service_tier, item.unit, item.context_from), item).price_pico != item.price_pico:
            raise Unusable(f"conflict: two prices for {item.unit}")
    return items


def _named(name: str, entry: Mapping[str, Any]) -> Iterator[Item]:
    for key, value in entry.items():
        if key == SEARCH:
            yield from _search(name, entry, value)
        elif key == TIERED:
            yield from _ranges(value)
        elif (item := _item(key, value)) is not None:
            yield item


def _item(key: str, value: object) -> Item | None:
    matched = _KEY.fullmatch(key)
    unit = UNITS.get(matched["name"]) if matched else None
    if matched is None or unit is None:
        if _COST.search(key) and isinstance(value, int | float) and value and not NOT_OURS.fullmatch(key):
            raise Unusable(f"partial: {key} is a price of nothing we know")
        return None
    # A part of a total that costs nothing is a gap in the file: it costs what the total costs.
    if value is None or (not value and unit not in WHOLE):
        return None
    return Item(
        unit=unit,
        service_tier={"batches": "batch"}.get(matched["tier"] or "", matched["tier"] or ""),
        context_from=int(matched["thousands"] or 0) * 1_000,
        price_pico=_pico(value, unit),
    )


def _search(name: str, entry: Mapping[str, Any], told: object) -> Iterator[Item]:
    """A search costs what one of middling size costs; where every call is one search, it is a price of the request.

    Who does not ask for a size gets the smallest at Perplexity, which reports searches of its researchers only.
    """
    sizes = told if isinstance(told, dict) else {}
    is_perplexity = entry["litellm_provider"] == "perplexity" and "citation_cost_per_token" not in entry
    price = sizes.get("search_context_size_low" if is_perplexity else "search_context_size_medium")
    unit = REQUEST if is_perplexity or _SEARCHING.search(name) else "search"
    if price:
        yield Item(unit=unit, price_pico=_pico(price, unit))


def _ranges(told: object) -> Iterator[Item]:
    for each in told if isinstance(told, list) else ():
        if not isinstance(each, dict) or not isinstance(each.get("range"), list):
            raise Unusable("partial: a tier without a range")
        above = int(each["range"][0])
        for key, value in each.items():
            if key != "range" and (item := _item(key, value)) is not None:
                yield replace(item, context_from=above)


def _drop_doubles(items: dict[tuple[str, str, int], Item], *, mode: object) -> None:
    """Leave one price of what would be charged twice: images and seconds that are told in tokens or on both sides."""
    units = {unit for _, unit, _ in items}
    for key in list(items):
        unit = key[1]
        in_tokens = unit in PIECES and (mode in TALKING or f"{_side(unit)}_image" in units)
        if in_tokens or (unit == "second_out" and mode == "audio_transcription"):
            del items[key]


def _side(unit: str) -> str:
    return "input" if unit.endswith("_in") else "output"


def _bounded(item: Item, entry: Mapping[str, Any]) -> Item:
    """The price with the most that one call uses of it, where that is known."""
    most = MOST.get(item.unit)
    if item.unit == "output":
        told = entry.get("max_output_tokens")
        most = told if isinstance(told, int) and 0 < told <= MOST_TOKENS else None
    elif item.unit == "search" and entry["mode"] == "search":
        most = 1
    elif item.unit == "search" and "citation_cost_per_token" in entry:
        most = SEARCHES
    return replace(item, most=most)


def _our_name(name: str, provider: str) -> str:
    prefix = PROVIDERS.get(provider, provider.split("-", maxsplit=1)[0])
    return name if name.startswith(f"{prefix}/") else f"{prefix}/{name}"


def _pico(dollars: object, unit: str) -> int:
    if isinstance(dollars, bool) or not isinstance(dollars, int | float):
        raise Unusable(f"not a number: the price of {unit}")
    exact = Decimal(repr(dollars))
    if not exact.is_finite() or exact < 0:
        raise Unusable(f"below zero: the price of {unit}")
    pico = round(exact * PICOS)
    if pico > dearest(unit):
        raise Unusable(f"beyond belief: the price of {unit} is {dollars} dollars; per thousand, or per million?")
    return pico
