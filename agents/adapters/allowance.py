"""How much of a model call is paid for, whatever its provider says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from skills.sdk import Usage
from skills.sdk.usage import COUNTS

_TOTALS = ("input_tokens", "output_tokens")
_OF_INPUT = (
    "cached_input_tokens", "cache_write_tokens", "cache_write_1h_tokens", "input_audio_tokens", "input_image_tokens",
)  # fmt: skip
_OF_OUTPUT = ("reasoning_tokens", "output_audio_tokens", "output_image_tokens")
_PREDICTED = ("accepted_prediction_tokens", "rejected_prediction_tokens")
_OTHERS = tuple(name for name in COUNTS if name not in (*_TOTALS, *_OF_INPUT, *_OF_OUTPUT, *_PREDICTED))


@dataclass(frozen=True, kw_only=True)
class Allowance:
    """The most that one model call was reserved for. `output_tokens` is None where output costs nothing.

    `most`: how many there may be of what is billed beside tokens; of what is not named there, none.
    """

    input_tokens: int
    output_tokens: int | None
    service_tier: str = ""
    most: Mapping[str, int] = field(default_factory=dict)

    def cut(self, usage: Usage) -> Usage:
        """The usage, or as much of it as was reserved."""
        read = min(usage.input_tokens, self.input_tokens)
        written = usage.output_tokens if self.output_tokens is None else min(usage.output_tokens, self.output_tokens)
        bounds = {"input_tokens": read, "output_tokens": written}
        bounds |= dict.fromkeys(_OF_INPUT, read) | dict.fromkeys(_OF_OUTPUT, written)
        bounds |= {name: self.most.get(name, 0) for name in _OTHERS}
        cut: dict[str, Any] = {name: most for name, most in bounds.items() if getattr(usage, name) > most}
        if usage.service_tier not in ("", self.service_tier):
            cut["service_tier"] = ""
        return msgspec.structs.replace(usage, **cut, source="estimated") if cut else usage


NO_ALLOWANCE = Allowance(input_tokens=0, output_tokens=0)
