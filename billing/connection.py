"""The committer's own connection to the database: groups of operations go out on it, one transaction each."""

import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeAlias
from uuid import UUID

import psycopg
from django.db import connections

from billing.operations import BUSY, LOCK, OPENED_FOR, Operation

LOCK_TIMEOUT_MS = 500
STATEMENT_TIMEOUT_MS = 5_000
IDLE_TIMEOUT_MS = 1_000
"""Whoever stands still in the midst of a transaction keeps what it has locked for so long and no longer."""
CONNECT_TIMEOUT_S = 2

Rows: TypeAlias = Sequence[tuple[Any, ...]]


class ConnectionLost(Exception):
    """The database went away; what was on its way may or may not have been committed. All of it may be repeated."""


class Connection:
    """Made when it is needed, and again when it was lost. `asked` and `is_asking` tell another thread how it goes."""

    def __init__(self) -> None:
        self.asked = 0
        self.is_asking = False
        self._session: psycopg.Connection[tuple[Any, ...]] | None = None
        self._sent = 0

    def send(self, groups: Sequence[tuple[Operation, Rows]]) -> list[Rows]:
        """Carry out the rows of each operation, all or none; what each answers."""
        session = self._connected()
        with self._losing(session):
            self._plan_anew(session)
            if len(groups) == 1:
                return [self._call(session, *groups[0])]
            return self._transaction(session, groups)

    def busy(self, groups: Sequence[tuple[Operation, Rows]]) -> set[UUID]:
        """Of the holds and organizations that these rows are about, those that somebody else has locked."""
        session = self._connected()
        with self._losing(session):
            return {id for (id,) in self._ask(session, BUSY, _locks(groups)[:2])}

    def cut(self) -> None:
        """Wake whoever waits for an answer; called from another thread."""
        session = self._session
        if session is not None and not session.closed:
            with suppress(OSError), socket.socket(fileno=os.dup(session.fileno())) as wire:
                wire.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Ask no more."""
        if self._session is not None:
            self._session.close()

    def _plan_anew(self, session: psycopg.Connection[tuple[Any, ...]]) -> None:
        """Forget plans each time the work has doubled: of an empty table every index looks as good as the right one."""
        self._sent += 1
        if self._sent & (self._sent - 1) == 0:
            self._ask(session, "DISCARD PLANS")

    def _transaction(
        self, session: psycopg.Connection[tuple[Any, ...]], groups: Sequence[tuple[Operation, Rows]]
    ) -> list[Rows]:
        self._ask(session, "BEGIN")
        try:
            self._ask(session, LOCK, _locks(groups))
            answers = [self._call(session, operation, rows) for operation, rows in groups]
            self._ask(session, "COMMIT")
        except (psycopg.Error, ValueError, TypeError):
            if not session.closed:
                self._ask(session, "ROLLBACK")
            raise
        return answers

    def _call(self, session: psycopg.Connection[tuple[Any, ...]], operation: Operation, rows: Rows) -> Rows:
        columns = [list(column) for column in zip(*rows, strict=True)]
        return self._ask(session, operation.statement, columns).fetchall()

    def _ask(
        self, session: psycopg.Connection[tuple[Any, ...]], statement: Any, parameters: Sequence[Any] | None = None
    ) -> psycopg.Cursor[tuple[Any, ...]]:
        with self._asking():
            return session.execute(statement, parameters)

    def _connected(self) -> psycopg.Connection[tuple[Any, ...]]:
        if self._session is None or self._session.closed:
            try:
                with self._asking():
                    self._session = psycopg.connect(**address(), autocommit=True)
            except psycopg.OperationalError as error:
                raise ConnectionLost from error
        return self._session

    @contextmanager
    def _losing(self, session: psycopg.Connection[tuple[Any, ...]]) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            if not session.closed:
                raise
            self._session = None
            raise ConnectionLost from error

    @contextmanager
    def _asking(self) -> Iterator[None]:
        self.asked += 1
        self.is_asking = True
        try:
            yield
        finally:
            self.is_asking = False


def _locks(groups: Sequence[tuple[Operation, Rows]]) -> list[list[Any]]:
    """What a transaction of several operations touches: holds by their ids, those to be opened by whom they are for."""
    opened = [row for operation, rows in groups if operation.opens for row in rows]
    found = [row[0] for operation, rows in groups if not operation.opens for row in rows]
    return [found, *([row[place] for row in opened] for place in OPENED_FOR)]


def address() -> dict[str, Any]:
    """Where the application's own database is, with short waits: money is refused rather than queued."""
    place = connections.databases["default"]
    options = {key: value for key, value in place["OPTIONS"].items() if key not in _OF_DJANGO}
    timeouts = {
        "lock": LOCK_TIMEOUT_MS,
        "statement": STATEMENT_TIMEOUT_MS,
        "idle_in_transaction_session": IDLE_TIMEOUT_MS,
    }
    limits = " ".join(f"-c {name}_timeout={milliseconds}" for name, milliseconds in timeouts.items())
    named = {
        "dbname": place["NAME"],
        "user": place["USER"],
        "password": place["PASSWORD"],
        "host": place["HOST"],
        "port": place["PORT"],
    }
    return {
        **options,
        **{name: value for name, value in named.items() if value},
        "connect_timeout": CONNECT_TIMEOUT_S,
        "application_name": "robutler-ledger",
        "options": f"{options.get('options', '')} {limits}".strip(),
    }


_OF_DJANGO = frozenset({"pool", "assume_role", "isolation_level", "server_side_binding"})
