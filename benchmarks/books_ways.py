"""One thing done to many books; says as JSON what it took. `benchmarks.books` asks for it.

`fill`: charges that were held and settled by the product's functions, a thousand a transaction, until there are so many
transfers. `balance`: the trial balance, several times. `sum`: one sum over all transfers, the bare limit of it.
`export`: the journal as CSV. `copy`: the transfers alone by PostgreSQL's own COPY, the bare limit of that. Both are
written to nowhere. Memory is the process's largest at its end, and before it began.
"""

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import django

django.setup()

import psycopg  # noqa: E402  # Django must be set up first

from benchmarks.ledger_ways import AMOUNT, COST, FEE, LINES, MARKUP  # noqa: E402
from benchmarks.tenant import credit  # noqa: E402
from billing import connection, exports, operations, selectors  # noqa: E402
from billing.lines import as_json  # noqa: E402
from tenants.ids import uuid7  # noqa: E402
from tenants.services import create_organization  # noqa: E402

TRANSFERS_PER_CHARGE = 3
GROUP = 1_000
MANY = 20
"""So many organizations pay, and as many earn."""
TIMES = 5

Session = psycopg.Connection[tuple[object, ...]]


def fill(transfers: int) -> dict[str, float]:
    """Make books of so many transfers."""
    payers = [create_organization(name="Payer", slug=f"payer-{uuid7()}").id for _ in range(MANY)]
    creators = [create_organization(name="Creator", slug=f"creator-{uuid7()}").id for _ in range(MANY)]
    for payer in payers:
        credit(payer)
    began = time.monotonic()
    with _session("") as session:
        for _ in range(-(-transfers // (TRANSFERS_PER_CHARGE * GROUP))):
            _settle(session, payers, creators)
    with _session("postgres") as session:
        session.execute("VACUUM ANALYZE")
        made = session.execute("SELECT count(*) FROM billing_transfer").fetchone()
    assert made is not None
    return {"transfers": float(str(made[0])), "seconds": time.monotonic() - began}


def _settle(session: Session, payers: list[UUID], creators: list[UUID]) -> None:
    ids = sorted(uuid7() for _ in range(GROUP))
    holds = [
        (
            id, payers[n % MANY], id, AMOUNT, "run", "bench", None, None, creators[n % 7], None, True, None, 60, None,
            "", None,
        )
        for n, id in enumerate(ids)
    ]  # fmt: skip
    ends = [(id, COST, MARKUP, FEE, True, "provider", "finished", "stop", as_json(LINES)) for id in ids]
    for operation, rows in ((operations.HOLD, holds), (operations.SETTLE, ends)):
        session.execute(operation.statement, [list(column) for column in zip(*rows, strict=True)])


def balance(transfers: int) -> dict[str, float]:
    """The product's trial balance; the fastest of several looks, and the slowest."""
    return _timed(selectors.trial_balance)


def sum_up(transfers: int) -> dict[str, float]:
    """One sum over the same rows."""
    with _session("postgres") as session:
        return _timed(lambda: session.execute("SELECT sum(amount) FROM billing_transfer").fetchone())


def _timed(look: Callable[[], object]) -> dict[str, float]:
    took = []
    for _ in range(TIMES):
        began = time.monotonic()
        look()
        took.append(time.monotonic() - began)
    return {"fastest_s": min(took), "slowest_s": max(took)}


def export(transfers: int) -> dict[str, float]:
    """The journal, as it is handed out."""
    now = datetime.now(UTC)
    asked = exports.Export(name="journal", format="csv", since=now - timedelta(days=1), until=now + timedelta(days=1))
    return _read(exports.written(asked))


def copy(transfers: int) -> dict[str, float]:
    """Every transfer by COPY."""
    with _session("postgres") as session, session.cursor().copy("COPY billing_transfer TO STDOUT CSV") as out:
        return _read(bytes(part) for part in out)


def _read(parts: Iterable[bytes]) -> dict[str, float]:
    before, began, lines, size = _memory_mb(), time.monotonic(), 0, 0
    for part in parts:
        lines += part.count(b"\n")
        size += len(part)
    return {
        "seconds": time.monotonic() - began, "lines": lines, "megabytes": size / 1e6,
        "memory_mb": _memory_mb(), "memory_before_mb": before,
    }  # fmt: skip


def _memory_mb() -> float:
    """The largest resident set of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _session(user: str) -> Session:
    """A session as the ledger has it, or as somebody who is above all rules."""
    return psycopg.connect(
        **{**connection.address(), **({"user": user} if user else {}), "options": ""}, autocommit=True
    )


WAYS: dict[str, Callable[[int], dict[str, float]]] = {
    "fill": fill, "balance": balance, "sum": sum_up, "export": export, "copy": copy,
}  # fmt: skip


def main() -> None:
    """Do it, and say what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("--transfers", type=int, default=1_000_000)
    asked = parser.parse_args()
    sys.stdout.write(json.dumps(WAYS[asked.way](asked.transfers)))


if __name__ == "__main__":
    main()
