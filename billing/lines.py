"""A line of a bill: how much of what was used, at which price, and who counted it."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

Part = Literal["cost", "markup", "fee"]
Source = Literal["provider", "counted", "checkpoint", "estimated", "tool"]


@dataclass(frozen=True, kw_only=True)
class Line:
    """What one thing came to. `amount_pico` is exact: `quantity` times `price_pico`, except for basis points."""

    part: Part
    """Whose it is."""
    sku: str
    """`provider/model`, a tool, or the agent's address."""
    unit: str
    """A price's unit, or `run`, `call`, `basis_points`."""
    quantity: int
    """For basis points: what they are taken of, in nanodollars."""
    price_pico: int
    """Per unit; for basis points: how many of them."""
    amount_pico: int
    source: Source
    """Who measured it."""
    billable: bool = True
    """False for what is written down and paid by nobody, or by the owner's own credential."""
    reason: str = ""
    """Why it is not billable."""
    attempt: int = 1
    upstream_request_id: str = ""

    @property
    def is_estimated(self) -> bool:
        """Whether neither the provider nor the tool itself measured it."""
        return self.source not in ("provider", "tool")


def as_json(lines: Sequence[Line]) -> str | None:
    """The lines as the ledger's functions take them; nothing for none."""
    return json.dumps([asdict(line) for line in lines]) if lines else None
