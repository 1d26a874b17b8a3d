"""What is counted of runs. Labels are bounded: models by the published prices, tools by the skill they are of."""

from collections.abc import Container, Iterable
from functools import cache

from prometheus_client import Counter

from billing import pricing
from skills.sdk import Usage, UsageRecord

OTHER = "other"
MODELS_AT_MOST = 200
"""So many models have numbers of their own in one process; those that come later are counted together."""

_tokens = Counter(
    "robutler_tokens_used",
    "Tokens of model calls: what was cached, written, heard or seen is part of input, what was thought, spoken or "
    "drawn is part of output.",
    ("model", "kind"),
)
_tool_calls = Counter("robutler_tool_calls", "Calls of agents' own tools.", ("skill", "status"))
_cost = Counter("robutler_cost_nanodollars", "What providers charge for the runs that ended.")

_KINDS = {
    "input_tokens": "input",
    "cached_input_tokens": "cached_input",
    "cache_write_tokens": "cache_write",
    "cache_write_1h_tokens": "cache_write_1h",
    "input_audio_tokens": "input_audio",
    "input_image_tokens": "input_image",
    "output_tokens": "output",
    "reasoning_tokens": "reasoning",
    "output_audio_tokens": "output_audio",
    "output_image_tokens": "output_image",
}
_named: set[str] = set()


def run_ended(records: Iterable[UsageRecord], *, priced: Container[str], cost_nanos: int) -> None:
    """Count what a run used of its models. `priced`: the names in the published prices, of which there are not many."""
    for record in records:
        if record.delivered:
            _count_tokens(_label(record.model, priced=record.model in priced), record.usage)
    if cost_nanos:
        _cost.inc(cost_nanos)


def tool_ended(skill: str | None, *, ok: bool) -> None:
    """Count a call of a tool; None for one that no skill of the agent has."""
    _calls(skill or OTHER, "ok" if ok else "failed").inc()


def _count_tokens(model: str, usage: Usage) -> None:
    for name, kind in _KINDS.items():
        if count := getattr(usage, name):
            _used(model, kind).inc(count)


def _label(model: str, *, priced: bool) -> str:
    """The model's name if it is one of few, else whatever it has in common with many."""
    provider = model.partition("/")[0]
    if provider == pricing.FREE_PROVIDER:
        return provider
    if not priced or (model not in _named and len(_named) >= MODELS_AT_MOST):
        return OTHER
    _named.add(model)
    return model


@cache
def _used(model: str, kind: str) -> Counter:
    return _tokens.labels(model, kind)


@cache
def _calls(skill: str, status: str) -> Counter:
    return _tool_calls.labels(skill, status)
