"""The engine: before a statement it tells the session whose data may be seen, if that has changed. It counts, too."""

from typing import Any
from uuid import UUID

from django.db.backends.postgresql import base as postgresql
from django.db.backends.utils import CursorWrapper
from django_prometheus.db.backends.postgresql import base as counting
from psycopg.pq import TransactionStatus
from psycopg_pool.base import AttemptWithBackoff

from tenants import context

# After a lost connection the pool tries again twice a second, always: its own waits double and keep a site down for
# ten seconds after its database is back.
AttemptWithBackoff.INITIAL_DELAY = 0.5
AttemptWithBackoff.DELAY_BACKOFF = 1.0

_UNKNOWN = object()


class DatabaseWrapper(counting.DatabaseWrapper):  # type: ignore[misc]  # comes without types
    """A connection whose session setting `robutler.organization_id` follows the context.

    What the session was told is remembered, and forgotten whenever the session may have forgotten it too: on
    rollback, on a savepoint's rollback, on a commit that turns into a rollback, on connect and on close.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._told: object = _UNKNOWN
        self._follows = self.alias == context.APP

    def follow_context(self) -> None:
        """Tell the session which organization may be seen, unless it already knows."""
        if not self._follows:
            return
        organization: UUID | None = context.organization_or_none()
        if organization == self._told:
            return
        self._told = _UNKNOWN
        text = "" if organization is None else str(organization)
        with self.wrap_database_errors, self.connection.cursor() as cursor:
            cursor.execute(f"SET robutler.organization_id = '{text}'")
        self._told = organization

    def make_cursor(self, cursor: Any) -> CursorWrapper:
        """Django's cursor, following the context."""
        return _FollowingCursor(cursor, self)

    def make_debug_cursor(self, cursor: Any) -> postgresql.CursorDebugWrapper:
        """Django's logging cursor, following the context."""
        return _FollowingDebugCursor(cursor, self)

    def connect(self) -> None:
        """Connect; a session from the pool may have been told anything."""
        self._told = _UNKNOWN
        super().connect()

    def _close(self) -> Any:
        self._told = _UNKNOWN
        return super()._close()

    def _rollback(self) -> Any:
        self._told = _UNKNOWN
        return super()._rollback()

    def _commit(self) -> Any:
        # COMMIT of a failed transaction is a rollback in PostgreSQL.
        if self.connection is not None and self.connection.info.transaction_status == TransactionStatus.INERROR:
            self._told = _UNKNOWN
        return super()._commit()

    def _savepoint_rollback(self, sid: str) -> None:
        # In a failed transaction nothing may be said before this, so it does not go through the following cursor.
        self._told = _UNKNOWN
        with self.wrap_database_errors, self.connection.cursor() as cursor:
            cursor.execute(self.ops.savepoint_rollback_sql(sid))


class _Following:
    """Keeps the session in step before anything is executed."""

    db: DatabaseWrapper

    def execute(self, sql: Any, params: Any = None) -> Any:
        self.db.follow_context()
        return super().execute(sql, params)  # type: ignore[misc]

    def executemany(self, sql: Any, param_list: Any) -> Any:
        self.db.follow_context()
        return super().executemany(sql, param_list)  # type: ignore[misc]

    def callproc(self, procname: Any, params: Any = None, kparams: Any = None) -> Any:
        self.db.follow_context()
        return super().callproc(procname, params, kparams)  # type: ignore[misc]

    def copy(self, statement: Any, *args: Any, **kwargs: Any) -> Any:
        self.db.follow_context()
        return self.cursor.copy(statement, *args, **kwargs)  # type: ignore[attr-defined]


class _FollowingCursor(_Following, CursorWrapper):
    pass


class _FollowingDebugCursor(_Following, postgresql.CursorDebugWrapper):
    pass
