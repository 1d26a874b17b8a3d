"""What is found when the storm is over: the truth, the books, and the answers that callers got, side by side."""

import json
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from billing.selectors import INVARIANTS
from tests.chaos.callers import Call
from tests.chaos.deployment import Deployment
from tests.chaos.faults import Done
from tests.fakes.upstream_truth import sold
from tests.live.cast import PER_RUN_NANOS

PER_TOKEN_NANOS = 1_000_000
APPLE_NANOS = 250_000_000
REFUSALS = (402, 409, 429, 502, 503, 504)
MOST_UNDERBILLED = 0.015
PROCESS_S, DATABASE_S = 3.0, 15.0
_CHARGES = """
    SELECT c.end_user, c.run_id::text, c.status, coalesce(s.charged, 0), h.state
    FROM billing_charge c JOIN billing_hold h ON h.charge_id = c.id LEFT JOIN billing_settlement s ON s.hold_id = h.id
    WHERE c.end_user LIKE '%%id=%%'
"""
_TREES = (
    "SELECT h.id::text, coalesce(s.charged, 0) FROM billing_hold h LEFT JOIN billing_settlement s ON s.hold_id = h.id"
)
_TWICE = """
    SELECT count(*) FROM (
        SELECT hold_id FROM billing_transfergroup
        WHERE kind IN ('settlement', 'late_settlement') GROUP BY hold_id HAVING count(*) > 1
    ) twice
"""
_OPEN = "SELECT count(*) FROM billing_hold WHERE state = 'open' AND expires_at < now() - interval '10 s'"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One of the criteria: what was found, and whether that will do."""

    name: str
    found: str
    is_met: bool
    details: Sequence[str] = ()


def broken_rules(superuser: str) -> dict[str, int]:
    """The invariants of the books that do not hold."""
    with psycopg.connect(superuser, autocommit=True, connect_timeout=3) as connection:
        return {name: rows for name, rows in connection.execute(INVARIANTS.read_bytes()).fetchall() if rows}


def reconciled(deployment: Deployment) -> dict[str, int]:
    """The checks of `manage.py reconcile` that found something."""
    command = [sys.executable, "manage.py", "reconcile", "--json"]
    told = subprocess.run(command, env=dict(deployment.environment), capture_output=True, check=False).stdout
    return {each["check"]: each["violations"] for each in json.loads(told) if each["violations"]}


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Everything that was written down by somebody."""

    calls: Sequence[Call]
    faults: Sequence[Done]
    truth: Mapping[str, int]
    trees: Sequence[tuple[str, str, int]]
    charges: Sequence[tuple[Any, ...]]
    charged_trees: Mapping[str, int]
    twice: int
    left_open: int
    broken: Mapping[str, int]
    broken_meanwhile: Mapping[str, int]

    @property
    def charged_by_order(self) -> Mapping[str, int]:
        found: dict[str, int] = defaultdict(int)
        for order, _, _, charged, _ in self.charges:
            found[order] += charged
        return found

    @property
    def charged_by_run(self) -> Mapping[str, int]:
        return {run_id: charged for _, run_id, _, charged, _ in self.charges}


def gathered(
    deployment: Deployment, superuser: str, *, calls: Sequence[Call], faults: Sequence[Done], truth: Path,
    trees: Path, broken: Mapping[str, int], broken_meanwhile: Mapping[str, int],
) -> Evidence:  # fmt: skip
    """Read it all."""
    told = [line.split(" ") for line in trees.read_text().splitlines()]
    with psycopg.connect(superuser, autocommit=True) as connection:
        return Evidence(
            calls=calls,
            faults=faults,
            truth=sold(truth),
            trees=[(what, id, int(nanos)) for what, id, nanos in told],
            charges=connection.execute(_CHARGES).fetchall(),
            charged_trees=dict(connection.execute(_TREES).fetchall()),
            twice=connection.execute(_TWICE).fetchall()[0][0],
            left_open=connection.execute(_OPEN).fetchall()[0][0],
            broken=broken,
            broken_meanwhile=broken_meanwhile,
        )


def judged(evidence: Evidence) -> list[Row]:
    """The criteria, in their order."""
    return [
        _overbilled(evidence), _invariants(evidence), _doubled(evidence), _unbilled(evidence), _underbilled(evidence),
        _left_open(evidence), _recovery(evidence), _answers(evidence),
    ]  # fmt: skip


def _worth(evidence: Evidence, call: Call) -> int:
    """What a call that came to its end costs; no call may cost more."""
    apple = APPLE_NANOS if call.kind == "tool" else 0
    return evidence.truth.get(call.order, 0) * PER_TOKEN_NANOS + PER_RUN_NANOS + apple


def _overbilled(evidence: Evidence) -> Row:
    tries = Counter(call.order for call in evidence.calls)
    beyond = [
        f"{call.kind} {call.order}: {evidence.charged_by_order.get(call.order, 0)} > {_worth(evidence, call)}"
        for call in {call.order: call for call in evidence.calls}.values()
        if evidence.charged_by_order.get(call.order, 0)
        > _worth(evidence, call) + (tries[call.order] - 1) * PER_RUN_NANOS
    ]
    spent: dict[str, int] = defaultdict(int)
    for what, id, nanos in evidence.trees:
        spent[id] = max(spent[id], nanos if what == "spent" else 0)
    beyond += [
        f"tree {id}: {charged} > {spent[id]}"
        for id, charged in evidence.charged_trees.items()
        if id in spent and charged > spent[id]
    ]
    return Row(name="P-a overbilled", found=f"{len(beyond)}", is_met=not beyond, details=beyond)


def _invariants(evidence: Evidence) -> Row:
    found = {**evidence.broken_meanwhile, **evidence.broken}
    details = [f"{name}: {rows}" for name, rows in found.items()]
    return Row(name="P-b invariants broken", found=f"{sum(found.values())}", is_met=not found, details=details)


def _doubled(evidence: Evidence) -> Row:
    finished = Counter(order for order, _, status, charged, _ in evidence.charges if status == "finished" and charged)
    keyed = {call.order for call in evidence.calls if call.kind == "keyed"}
    twice = [order for order in keyed if finished[order] > 1]
    total = evidence.twice + len(twice)
    return Row(name="P-c charged twice", found=f"{total}", is_met=total == 0, details=twice)


def _unbilled(evidence: Evidence) -> Row:
    short = [
        f"{call.kind} {call.order} {call.run_id}: {evidence.charged_by_run.get(call.run_id, 0)} < {worth}"
        for call in evidence.calls
        if call.is_whole and call.kind != "keyed"
        if evidence.charged_by_run.get(call.run_id, 0) < (worth := _worth(evidence, call))
    ]
    short += [
        f"tree {id}: {evidence.charged_trees.get(id, 0)} and not {nanos}"
        for what, id, nanos in evidence.trees
        if what == "charged" and evidence.charged_trees.get(id, 0) != nanos
    ]
    keyed = [call for call in evidence.calls if call.is_whole and call.kind == "keyed"]
    short += [f"keyed {call.order}" for call in keyed if not evidence.charged_by_order.get(call.order)]
    return Row(name="P-d acknowledged, not billed", found=f"{len(short)}", is_met=not short, details=short)


def _underbilled(evidence: Evidence) -> Row:
    """What was sold in streams and is not paid for; of whole answers that never came nothing is owed."""
    consumed = lost = 0
    for call in {call.order: call for call in evidence.calls if call.kind != "whole"}.values():
        worth = evidence.truth.get(call.order, 0) * PER_TOKEN_NANOS
        consumed += worth
        lost += max(0, worth - evidence.charged_by_order.get(call.order, 0))
    share = lost / max(consumed, 1)
    found = f"{share:.2%} of {consumed // PER_TOKEN_NANOS} tokens"
    return Row(name="P-e under-billed", found=found, is_met=share <= MOST_UNDERBILLED)


def _left_open(evidence: Evidence) -> Row:
    return Row(name="P-f old open holds", found=f"{evidence.left_open}", is_met=evidence.left_open == 0)


def _recovery(evidence: Evidence) -> Row:
    got_through = sorted((call.ended_at, call.began_at) for call in evidence.calls if call.is_probe and call.is_whole)
    slow, longest = [], {True: 0.0, False: 0.0}
    for fault in evidence.faults:
        since = fault.began_at if fault.is_of_process else fault.ended_at
        first = next((ended_at for ended_at, began_at in got_through if began_at >= since), None)
        took_s = first - since if first else float("inf")
        longest[fault.is_of_process] = max(longest[fault.is_of_process], took_s)
        if took_s > (PROCESS_S if fault.is_of_process else DATABASE_S):
            told = Counter(
                f"{call.status} {call.code} {call.server}" for call in evidence.calls
                if call.is_probe and not call.is_whole and since <= call.began_at <= since + took_s
            )  # fmt: skip
            slow.append(f"{fault.kind}: {took_s:.1f} s, meanwhile {dict(told)}")
    found = f"processes {longest[True]:.1f} s, database {longest[False]:.1f} s at the longest"
    return Row(name="P-g recovery", found=found, is_met=not slow, details=slow)


def _answers(evidence: Evidence) -> Row:
    hung = [f"hung {call.kind} {call.order} on {call.server}" for call in evidence.calls if call.hung]
    statuses = Counter(call.status for call in evidence.calls)
    bare = [
        f"{call.status} {call.code or 'without a code'} {call.kind} {call.order}"
        for call in evidence.calls
        if call.status not in (0, 200) and (call.status not in REFUSALS or not call.code)
    ]
    told = ", ".join(f"{count} × {status or 'cut off'}" for status, count in sorted(statuses.items()))
    found = f"{len(hung)} hung, {len(bare)} bare errors ({told})"
    return Row(name="P-h hangs and bare 500s", found=found, is_met=not hung and not bare, details=hung + bare)
