"""What the fake upstream is asked to do: an order, read from the model's name or from the last user message.

An order is a name and options: `count-400:pace=20:cut=5` counts to 400, a number every 20 ms, and dies in the middle of
the sixth event. A last user message that begins with `/` overrides the model: `/tool-add {"a": 1, "b": 2}`.

Names: `echo` (also any unknown one), `count-N`, `tool-NAME`, `tools-NAME+NAME`, `raw` (the message is the stream, which
`stalling` never ends), and those of `ALIASES`.
Options: `pace` ms between pieces · `size` characters a piece (echo) · `reasoning` pieces first · `n` is the request's ·
`deaf` ignores max_tokens · `usage` none, last, every, negative, float, string, digits, huge (else OpenAI's own way) ·
`crlf` · `comments` between events · `dribble` bytes a write · `parts` content as a list · `json` a whole completion ·
`nofinish` · `nodone` · `gzip` claims an encoding · `id` of the reply · `floats` embeddings are numbers, come what may.
Faults: `status` with `after` (Retry-After seconds) and `words` · `hangup` before the first byte · `mute` says nothing ·
and at piece N: `cut` in the middle of an HTTP chunk · `half` an event, then a proper end · `stall` · `badjson` ·
`error` an error event · `longline` of `mb` megabytes. With `times=K` only the first K such requests are faulty.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.upstream_replies import text_of

DEFAULT_COUNT = 20
FAULTS = ("status", "hangup", "mute", "cut", "half", "stall", "badjson", "error", "longline")

ALIASES = {
    "fault-cut": "count-20:cut=3",
    "fault-cut-early": "count-20:hangup",
    "fault-half": "count-20:half=3",
    "fault-stall": "count-20:stall=3",
    "fault-mute": "count-20:mute",
    "fault-nousage": "count-20:usage=none",
    "fault-badjson": "count-20:badjson=3",
    "fault-error": "count-20:error=3",
    "fault-longline": "count-20:longline=3:mb=17",
    "fault-deaf": "count-400:deaf",
    "fault-nofinish": "count-20:nofinish",
    "usage-empty-choices": "count-20:usage=empty",
    "usage-on-last": "count-20:usage=last",
    "usage-repeated": "count-20:usage=every",
    "usage-absurd": "count-20:usage=negative",
}


@dataclass(frozen=True, kw_only=True)
class Order:
    """One request, understood."""

    text: str
    """As it was ordered; requests with the same text share a fault's `times`."""
    name: str
    payload: str
    options: dict[str, str] = field(default_factory=dict)
    faulty: bool = True

    def has(self, option: str) -> bool:
        """Whether the option is given, and still in force if it is a fault."""
        return option in self.options and (self.faulty or option not in FAULTS)

    def number(self, option: str, default: float) -> float:
        """The option's value as a number."""
        return float(self.options.get(option) or default)

    def at(self, fault: str) -> int | None:
        """The piece at which the fault strikes; None for never."""
        return int(self.number(fault, 0)) if self.has(fault) else None


def order_of(request: dict[str, Any]) -> Order:
    """Read the order from a Chat Completions request."""
    said = _last_said(request.get("messages", []))
    words, payload = str(request.get("model", "echo")), said
    if said.startswith("/"):
        words, _, payload = said[1:].partition(" ")
    words = words.rpartition("/")[2]
    if words.startswith("fault-") and words[6:9].isdigit():
        words = f"count-{DEFAULT_COUNT}:status={words[6:]}"
    head, *rest = words.split(":")
    name, *preset = ALIASES.get(head, head).split(":")
    options = dict(_option(item) for item in (*preset, *rest) if item)
    return Order(text=words, name=name, payload=payload, options=options)


def calls_of(order: Order, messages: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """The tool calls that are ordered, as name and arguments; none once they are answered."""
    kind, _, names = order.name.partition("-")
    if kind not in ("tool", "tools") or not names or (messages and messages[-1].get("role") == "tool"):
        return []
    if kind == "tool":
        return [(names, order.payload if order.payload.startswith("{") else "{}")]
    each = json.loads(order.payload) if order.payload.startswith("[") else [{}] * len(names.split("+"))
    return [(name, json.dumps(arguments)) for name, arguments in zip(names.split("+"), each, strict=True)]


def text_pieces(order: Order, messages: list[dict[str, Any]]) -> list[str]:
    """What is said, a piece per token."""
    kind, _, number = order.name.partition("-")
    if kind == "count":
        return [f"{i} " for i in range(1, int(number or DEFAULT_COUNT) + 1)]
    text = order.payload or "Hello."
    if messages and messages[-1].get("role") == "tool":
        text = "The tool said: " + " | ".join(text_of(m.get("content")) for m in messages if m.get("role") == "tool")
    size = int(order.number("size", 4))
    return [text[start : start + size] for start in range(0, len(text), size)]


def _last_said(messages: list[dict[str, Any]]) -> str:
    said = (text_of(message.get("content")) for message in reversed(messages) if message.get("role") == "user")
    return next(said, "")


def _option(item: str) -> tuple[str, str]:
    name, _, value = item.partition("=")
    return name, value
