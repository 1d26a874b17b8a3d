"""The published prices as a process remembers them: read on first use, dropped when a version is published."""

import threading
import time
from dataclasses import dataclass

from django.db.models import Q
from django.db.models.functions import Now

from billing.models import PriceItem, PriceList, PriceVersion
from billing.rating import ModelPrice
from billing.tiers import Item, model_price
from tenants import notify

REMEMBERED_SECONDS = 60.0
"""News of a publication that got lost is made up for after so long."""
REMEMBERED_MODELS = 2_000


@dataclass(frozen=True, kw_only=True)
class Current:
    """What counts now: the version of the providers' prices, and the platform's fee."""

    version_id: int | None
    fee_bps: int


class PriceTable:
    """Prices of models by name; a model without one is remembered too."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._current: Current | None = None
        self._models: dict[str, ModelPrice | None] = {}
        self._read_at = 0.0
        self._dropped = 0

    def remembered(self, model: str) -> tuple[Current, ModelPrice | None] | None:
        """What `lookup` would answer, as far as it needs no database."""
        with self._lock:
            if self._current is None or not self._fresh() or model not in self._models:
                return None
            return self._current, self._models[model]

    def lookup(self, model: str) -> tuple[Current, ModelPrice | None]:
        """The version that counts now and the model's price in it.

        The database is read without the lock, so that a slow answer delays nobody else; what was dropped in the
        meantime is not remembered.
        """
        found = self.remembered(model)
        if found is not None:
            return found
        with self._lock:
            current = self._current if self._fresh() else None
            dropped = self._dropped
        began = time.monotonic()
        read = current or _read_current()
        price = _read_model(read.version_id, model)
        with self._lock:
            if dropped == self._dropped and current in (None, self._current):
                if read != self._current or len(self._models) >= REMEMBERED_MODELS:
                    self._models = {}
                if current is None:
                    self._current, self._read_at = read, began
                self._models[model] = price
        return read, price

    def forget(self, key: str | None = None) -> None:
        """Read everything again: prices were published."""
        with self._lock:
            self._current, self._models = None, {}
            self._dropped += 1

    def _fresh(self) -> bool:
        return time.monotonic() - self._read_at < REMEMBERED_SECONDS


table = PriceTable()
notify.subscribe("price", table.forget)


def _read_current() -> Current:
    counting = Q(valid_from__lte=Now()) & (Q(valid_to__isnull=True) | Q(valid_to__gt=Now()))
    versions = dict(
        PriceVersion.objects.filter(counting, state=PriceVersion.State.PUBLISHED).values_list("price_list__kind", "id")
    )
    fee = PriceItem.objects.filter(
        version_id=versions.get(PriceList.Kind.PLATFORM_FEE), unit=PriceItem.Unit.BASIS_POINTS, model="*"
    ).values_list("price", flat=True)
    return Current(version_id=versions.get(PriceList.Kind.PROVIDER_COST), fee_bps=fee.first() or 0)


def _read_model(version_id: int | None, model: str) -> ModelPrice | None:
    items = PriceItem.objects.filter(version_id=version_id, model=model)
    named = items.values_list("unit", "service_tier", "context_from", "price", "most")
    return model_price(
        Item(unit=unit, service_tier=tier, context_from=context_from, price_pico=price, most=most)
        for unit, tier, context_from, price, most in named
    )
