"""`make chaos`: a deployment under load whose processes die at random. No money is lost, none is taken twice.

CHAOS_MINUTES is for how long (2), CHAOS_SEED which storm (a new one); the same seed brings the same faults again.
"""

import asyncio
import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence

import psycopg
import pytest

from tests.chaos.callers import Crowd
from tests.chaos.conftest import Stage
from tests.chaos.faults import Done, Mischief, planned
from tests.chaos.verdict import Row, broken_rules, gathered, judged, reconciled

MINUTES = float(os.environ.get("CHAOS_MINUTES", "2"))
SEED = int(os.environ.get("CHAOS_SEED") or random.SystemRandom().randrange(10**6))
CALM_S = 100.0
"""A hold whose process died lives for a minute more; then it is swept."""
LOOK_S = 10.0
DETAILS = 20


def tell(words: str) -> None:
    sys.stdout.write(f"[{time.strftime('%H:%M:%S')}] {words}\n")
    sys.stdout.flush()


class Watch:
    """Looks at the books again and again while they are written."""

    def __init__(self, superuser: str) -> None:
        self.broken: Counter[str] = Counter()
        self.looks = 0
        self._superuser = superuser
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="watch")

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._is_over.wait(LOOK_S):
            try:
                self.broken.update(broken_rules(self._superuser))
                self.looks += 1
            except psycopg.Error:
                continue


@pytest.mark.prove
@pytest.mark.timeout(MINUTES * 60 + 900)
def test_no_money_is_lost_in_a_storm(stage: Stage) -> None:
    tell(f"CHAOS_SEED={SEED} CHAOS_MINUTES={MINUTES:g}; logs are in {stage.room}")

    with stage.deployment.running():
        before = broken_rules(stage.superuser), reconciled(stage.deployment)
        mischief = Mischief(deployment=stage.deployment, superuser=stage.superuser, tell=tell)
        crowd = Crowd(webs=stage.deployment.webs, cast=stage.cast, seed=SEED)
        faults: list[Done] = []

        def storm() -> None:
            try:
                faults.extend(mischief.carry_out(planned(SEED, seconds=MINUTES * 60), seconds=MINUTES * 60))
                time.sleep(5)
            finally:
                crowd.stop()

        with Watch(stage.superuser) as watch:
            raging = threading.Thread(target=storm, name="storm")
            raging.start()
            asyncio.run(crowd.call())
            raging.join()
            tell("The storm is over.")
            calm(stage)
        after = broken_rules(stage.superuser), reconciled(stage.deployment)
        evidence = gathered(
            stage.deployment, stage.superuser, calls=crowd.calls, faults=faults, truth=stage.truth,
            trees=stage.truth_of_trees, broken=grown(before[0], after[0]) | grown(before[1], after[1]),
            broken_meanwhile=grown(before[0], watch.broken),
        )  # fmt: skip

    rows = judged(evidence)
    kinds = ", ".join(f"{count} × {kind}" for kind, count in Counter(fault.kind for fault in faults).most_common())
    trees = sum(what == "charged" for what, _, _ in evidence.trees)
    tell(f"{len(crowd.calls)} calls, {len(evidence.charges)} of them held; {trees} ends of agents' holds")
    tell(f"{len(faults)} faults: {kinds}; restarted: {stage.deployment.restarts}; {watch.looks} looks meanwhile")
    show(rows)
    assert faults
    assert [row.name for row in rows if not row.is_met] == []


def calm(stage: Stage) -> None:
    """Wait until nothing is in progress any more; who worked for himself is stopped first."""
    trees = stage.deployment.others.pop()
    trees.send(signal.SIGKILL)
    trees.ended(within_s=10)
    stage.deployment.wait()
    since, left = time.monotonic(), 0
    with psycopg.connect(stage.superuser, autocommit=True) as connection:
        while time.monotonic() - since < CALM_S:
            [(left,)] = connection.execute("SELECT count(*) FROM billing_hold WHERE state = 'open'").fetchall()
            if not left:
                break
            time.sleep(0.5)
    tell(f"Calm after {time.monotonic() - since:.0f} s; {left} holds are open.")


def grown(before: dict[str, int], after: "dict[str, int] | Counter[str]") -> dict[str, int]:
    """What is broken now and was not before."""
    return {name: rows for name, rows in after.items() if name not in before}


def show(rows: Sequence[Row]) -> None:
    for row in rows:
        tell(f"{'ok  ' if row.is_met else 'FAIL'} {row.name:30} {row.found}")
        for detail in row.details[:DETAILS]:
            tell(f"       {detail}")
