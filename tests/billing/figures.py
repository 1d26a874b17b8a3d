"""Waiting for figures and seals: other tests write to the same server, and jobs wait for whoever is writing."""

import time
from collections.abc import Callable

from billing import rollups, seals
from billing.models import Seal, Transfer
from tests.billing import money

PATIENCE_S = 20


def caught_up() -> None:
    """Return once the rollups reach everything there was when this began, and nothing is open that nobody closes."""
    money.sweep()
    _until(rollups.refresh)


def sealed() -> None:
    """Return once every transfer there was when this began is under a seal."""
    with money.everything():
        newest = Transfer.objects.order_by("-id").values_list("id", flat=True).first() or 0

    def reached() -> bool:
        seals.seal()
        with money.everything():
            return Seal.objects.filter(last__gte=newest).exists()

    _until(reached)


def _until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.05)
