"""Whether the database answers and has every table this code expects."""

from typing import Final

from django.db import DatabaseError, connections
from django.db.migrations.loader import MigrationLoader

from tenants import context

AWAY: Final = "the database does not answer"
BEHIND: Final = "migrations are not applied"

_complete = False


def not_ready_because() -> str | None:
    """Why requests cannot be served now; None when they can. Synchronous: call it through `in_thread`."""
    global _complete  # noqa: PLW0603 - applied migrations stay applied, so it is looked up once per process
    try:
        with connections[context.APP].cursor() as cursor:
            cursor.execute("SELECT 1")
        if not _complete:
            _complete = not _pending()
    except DatabaseError:
        return AWAY
    return None if _complete else BEHIND


def _pending() -> set[tuple[str, str]]:
    loader = MigrationLoader(connections[context.APP])
    return set(loader.graph.nodes) - set(loader.applied_migrations)
