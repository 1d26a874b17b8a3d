"""The books as they stand in the database, read and aged from outside."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql

WRITTEN_WITHIN_S = 10.0


class Books:
    """Looks into the database of this worker, as its superuser, past all walls."""

    def __init__(self, url: str) -> None:
        self._url = url

    def is_closed(self, run_id: str) -> bool:
        """Whether the money of a run is no longer reserved."""
        return bool(self._value("SELECT state FROM billing_hold WHERE id = %s", run_id) != "open")

    def charged(self, run_id: str) -> int:
        """What a run has cost its caller."""
        return int(self._value("SELECT charged FROM billing_settlement WHERE hold_id = %s", run_id))

    def is_settled(self, run_id: str) -> bool:
        """Whether a run has cost anybody anything, or its provider."""
        return bool(self._value("SELECT count(*) FROM billing_settlement WHERE hold_id = %s", run_id))

    def held(self, run_id: str) -> int:
        """What was reserved for a run, at the most."""
        return int(self._value("SELECT amount FROM billing_hold WHERE id = %s", run_id))

    def accrued(self, run_id: str) -> int:
        """What was written down of a run that goes on."""
        accrued = "SELECT accrued_cost + accrued_markup + accrued_fee FROM billing_hold WHERE id = %s"
        return int(self._value(accrued, run_id))

    def open_holds(self, organization_id: object) -> int:
        """For how many runs of an organization money is reserved at the moment."""
        statement = "SELECT count(*) FROM billing_hold WHERE organization_id = %s AND state = 'open'"
        return int(self._value(statement, organization_id))

    def holds_of(self, organization_id: object) -> list[str]:
        """The runs for which money of an organization is reserved at the moment."""
        statement = "SELECT coalesce(array_agg(id::text), '{}') FROM billing_hold WHERE organization_id = %s"
        return list(self._value(f"{statement} AND state = 'open'", organization_id))

    def balance(self) -> bool:
        """Whether all that was ever moved adds up to nothing."""
        from billing import selectors

        return bool(selectors.trial_balance().difference == 0)

    def replies_of(self, run_id: str) -> list[str]:
        """How its providers call the replies that a run paid for."""
        statement = "SELECT array_agg(DISTINCT upstream_request_id) FROM billing_usageline WHERE charge_id = %s"
        return list(self._value(f"{statement} AND part = 'cost'", run_id))

    def trace_of(self, run_id: str) -> str:
        """The trace that stands on a run."""
        return self._written("SELECT trace_id FROM agents_run WHERE id = %s", run_id)

    def model_of(self, run_id: str) -> str:
        """The model that answered."""
        return self._written("SELECT model FROM agents_run WHERE id = %s AND ended_at IS NOT NULL", run_id)

    def let_time_pass(self, run_ids: Sequence[str]) -> None:
        """A minute without a heartbeat, without waiting for it."""
        with psycopg.connect(self._url) as connection:
            connection.execute("SET session_replication_role = replica")
            aged = "UPDATE billing_hold SET expires_at = now() - interval '1 s' WHERE id = ANY(%s::uuid[])"
            connection.execute(aged, [list(run_ids)])

    @contextmanager
    def locked(self, table: str) -> Iterator[None]:
        """Keep everybody else from a table, reading included."""
        with psycopg.connect(self._url) as connection:
            connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(sql.Identifier(table)))
            yield
            connection.rollback()

    def let_lease_end(self, run_id: str) -> None:
        """The key of a request that nobody prolonged, without waiting for that."""
        with psycopg.connect(self._url) as connection:
            aged = "UPDATE agents_idempotentanswer SET leased_until = now() - interval '1 s' WHERE run_id = %s::uuid"
            connection.execute(aged, [run_id])

    def _written(self, statement: str, run_id: str) -> str:
        """What the run's row says, once there is one."""
        found, until = None, time.monotonic() + WRITTEN_WITHIN_S
        with psycopg.connect(self._url, autocommit=True) as connection:
            while found is None:
                assert time.monotonic() < until, "The run was not written."
                found = connection.execute(statement.encode(), [run_id]).fetchone()
                time.sleep(0.02)
        return str(found[0])

    def _value(self, statement: str, *parameters: object) -> Any:
        with psycopg.connect(self._url) as connection:
            row = connection.execute(statement.encode(), parameters or None).fetchone()
        assert row is not None, "There is no such row."
        return row[0]
