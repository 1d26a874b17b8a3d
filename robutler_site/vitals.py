"""What the database and the broker know of the platform's health, looked at now and then rather than counted."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from threading import Lock

from django.db import DatabaseError, connections
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from api.components import State
from billing import reconcile, selectors
from robutler_site import queues
from robutler_site.queues import SWEEP_SECONDS

PARTS = ("ledger", "broker", "worker")
FRESH_S = 10.0
"""However often somebody asks, the database is asked no more often than this."""
LATE_S = 60.0
"""Work of the background that is due for so long is not being done."""


@dataclass(frozen=True, kw_only=True)
class Vitals:
    """One look. `books`, `invariants` and `waiting` are None where nobody answered."""

    books: selectors.Vitals | None
    invariants: reconcile.Look | None
    waiting: dict[str, int] | None


class Watch(Collector):
    """Looks when asked, unless it did so shortly before; whoever asks meanwhile gets the look before."""

    def __init__(self) -> None:
        self._seen = Vitals(books=None, invariants=None, waiting=None)
        self._until = 0.0
        self._looking = Lock()

    def look(self) -> Vitals:
        """The present state. Synchronous: not for the event loop's thread."""
        if time.monotonic() >= self._until and self._looking.acquire(blocking=False):
            try:
                self._seen = _seen()
                self._until = time.monotonic() + FRESH_S
            finally:
                self._looking.release()
        return self._seen

    def collect(self) -> Iterator[Metric]:
        """The same for Prometheus; what is not known has no sample."""
        vitals = self.look()
        up = GaugeMetricFamily("robutler_database_up", "Whether the database answers.")
        up.add_metric((), float(vitals.books is not None))
        yield up
        if vitals.books is not None:
            yield GaugeMetricFamily(
                "robutler_ledger_imbalance",
                "Nanodollars by which reserved money and open holds disagree, or wallets are overdrawn. Always 0.",
                value=vitals.books.imbalance,
            )
            yield GaugeMetricFamily(
                "robutler_holds_open", "Holds that are neither settled nor released.", value=vitals.books.open_holds
            )
            yield GaugeMetricFamily(
                "robutler_settlement_lag_seconds",
                "How long the oldest open hold should have been settled by now.",
                value=vitals.books.overdue_s,
            )
        if vitals.invariants is not None:
            yield from _violations(vitals.invariants)
        if vitals.waiting is not None:
            depth = GaugeMetricFamily("robutler_queue_depth", "Tasks that wait for a worker.", labels=("queue",))
            for queue, waiting in vitals.waiting.items():
                depth.add_metric((queue,), waiting)
            yield depth


def _violations(look: reconcile.Look) -> Iterator[Metric]:
    found = GaugeMetricFamily(
        "robutler_billing_invariant_violations",
        "Rows of the books that break what must always hold, as last looked at. Always 0.",
        labels=("invariant",),
    )
    for name, violations in look.violations.items():
        found.add_metric((name,), violations)
    yield found
    if look.at is not None:
        yield GaugeMetricFamily(
            "robutler_billing_checked_timestamp_seconds",
            "When the books were last looked at, by the job of every minute or that of every hour, whichever is older.",
            value=look.at.timestamp(),
        )


def states() -> dict[str, State]:
    """How the ledger, the broker and the workers are, for whoever asks for components."""
    vitals = watch.look()
    return {"ledger": _ledger(vitals), "broker": _broker(vitals), "worker": _worker(vitals)}


def _ledger(vitals: Vitals) -> State:
    if vitals.books is None:
        return {"status": "unknown"}
    is_healthy = vitals.books.imbalance == 0 and vitals.books.overdue_s < LATE_S
    return {"status": "healthy" if is_healthy else "degraded"}


def _broker(vitals: Vitals) -> State:
    return {"status": "unknown" if vitals.waiting is None else "healthy"}


def _worker(vitals: Vitals) -> State:
    """A sweep of the books is queued every few seconds: where many wait, nobody takes them."""
    if vitals.waiting is None:
        return {"status": "unknown"}
    return {"status": "healthy" if vitals.waiting["billing"] * SWEEP_SECONDS < LATE_S else "degraded"}


def _seen() -> Vitals:
    books: selectors.Vitals | None = None
    invariants: reconcile.Look | None = None
    try:
        books = selectors.vitals()
        invariants = reconcile.last_look()
    except DatabaseError:
        pass
    finally:
        waiting = queues.depths()
        for connection in connections.all(initialized_only=True):
            connection.close()
    return Vitals(books=books, invariants=invariants, waiting=waiting)


watch = Watch()
