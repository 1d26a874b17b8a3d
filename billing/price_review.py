"""What publishing a draft of prices would change, and what has to be looked at before."""

from collections import Counter
from dataclasses import dataclass
from typing import Literal

from django.db import connections

from tenants.context import PLATFORM, platform_context

Kind = Literal["added", "removed", "changed"]
DOUBTS = {
    "was_free": "It was free.",
    "dearer": "It is more than five times as dear as before.",
    "cheaper": "It is less than a fifth of what it was.",
    "dear": "It is dearer than anything of its kind.",
    "cheap": "It is cheaper than anything of its kind: is it per token where it should be per million?",
}


@dataclass(frozen=True, kw_only=True)
class PriceChange:
    """One price that is new, gone or different. Prices are picodollars per unit; None where there is none."""

    model: str
    unit: str
    service_tier: str
    context_from: int
    old_pico: int | None
    new_pico: int | None
    item_id: int | None = None
    doubt: str = ""
    is_accepted: bool = False

    @property
    def kind(self) -> Kind:
        """Whether it is new, gone or different."""
        if self.old_pico is None:
            return "added"
        return "removed" if self.new_pico is None else "changed"

    @property
    def factor(self) -> float | None:
        """How many times as dear it becomes."""
        return self.new_pico / self.old_pico if self.old_pico and self.new_pico is not None else None


@dataclass(frozen=True, kw_only=True)
class Review:
    """A draft beside what counts now. Changes come by how far they go, what is doubtful first."""

    version_id: int
    base_id: int | None
    changes: tuple[PriceChange, ...]
    needs_another: bool

    @property
    def doubtful(self) -> tuple[PriceChange, ...]:
        """What nobody publishes before it is accepted or dropped."""
        return tuple(change for change in self.changes if change.doubt and not change.is_accepted)

    @property
    def counts(self) -> dict[str, int]:
        """How many prices are new, gone and different, and how many models."""
        kinds = Counter(change.kind for change in self.changes)
        models = len({change.model for change in self.changes})
        return {"added": kinds["added"], "removed": kinds["removed"], "changed": kinds["changed"], "models": models}


def review(version_id: int) -> Review:
    """Compare a draft with what its list says now; staff only."""
    with platform_context(reason="review prices"), connections[PLATFORM].cursor() as cursor:
        cursor.execute("SELECT billing_price_base(%s), billing_price_needs_another(%s)", (version_id, version_id))
        base_id, needs_another = cursor.fetchone()
        cursor.execute(_CHANGES, {"version": version_id})
        changes = [
            PriceChange(
                model=model, unit=unit, service_tier=tier, context_from=context_from, old_pico=old, new_pico=new,
                item_id=item_id, doubt=doubt or "", is_accepted=bool(accepted),
            )
            for model, unit, tier, context_from, old, new, item_id, doubt, accepted in cursor.fetchall()
        ]  # fmt: skip
    changes.sort(key=_by_weight)
    return Review(version_id=version_id, base_id=base_id, changes=tuple(changes), needs_another=needs_another)


def _by_weight(change: PriceChange) -> tuple[bool, bool, float, str, str]:
    factor = change.factor
    distance = 0.0 if factor is None else max(factor, 1 / factor) if factor else float("inf")
    return (not change.doubt or change.is_accepted, change.kind != "changed", -distance, change.model, change.unit)


_CHANGES = """
SELECT c.model, c.unit, c.service_tier, c.context_from, c.old_price, c.new_price, i.id, d.doubt, d.is_accepted
FROM billing_price_changes(%(version)s) c
LEFT JOIN billing_price_doubts(%(version)s) d
    ON (d.model, d.unit, d.service_tier, d.context_from) = (c.model, c.unit, c.service_tier, c.context_from)
LEFT JOIN billing_priceitem i ON i.version_id = %(version)s
    AND (i.model, i.unit, i.service_tier, i.context_from) = (c.model, c.unit, c.service_tier, c.context_from)
"""
