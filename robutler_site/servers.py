"""Whether the servers that the environment names answer; if one does not, which variable names it and what to do."""

from urllib.parse import urlsplit

import psycopg
from django.conf import settings
from kombu import Connection
from kombu.exceptions import KombuError

DATABASES = ("DATABASE_URL", "DATABASE_OWNER_URL", "DATABASE_PLATFORM_URL")
_CONNECT_SECONDS = 5


class ServerUnreachable(Exception):
    """A server that the environment names does not let us in; the message names the variable."""


def check() -> None:
    """Raise ServerUnreachable for the first server that is named and does not answer."""
    environment = settings.ROBUTLER
    check_databases()
    for variable in ("CELERY_BROKER_URL", "REDIS_URL"):
        if url := getattr(environment, variable.lower()):
            _check_broker(variable, url)


def check_databases() -> None:
    """The same for the databases alone."""
    for variable in () if settings.ROBUTLER.embedded_database else DATABASES:
        _check_database(variable, getattr(settings.ROBUTLER, variable.lower()))


def why_the_database_is_away(error: Exception) -> str:
    """Return what to tell whoever ran a command that got no connection."""
    if settings.ROBUTLER.embedded_database:
        return "The embedded database does not run: start all with make run, or it alone with manage.py postgres start."
    try:
        check_databases()
    except ServerUnreachable as unreachable:
        return str(unreachable)
    return f"The database does not answer: {_first_line(error)}"


def _check_database(variable: str, url: str) -> None:
    try:
        psycopg.connect(url, connect_timeout=_CONNECT_SECONDS).close()
    except psycopg.OperationalError as error:
        raise ServerUnreachable(
            f"{variable}: the database at {_place(url)} does not let us in ({_first_line(error)}). Start that server "
            f"or correct {variable}; to use the embedded database instead, unset {', '.join(DATABASES)}."
        ) from None


def _check_broker(variable: str, url: str) -> None:
    try:
        with Connection(url, connect_timeout=_CONNECT_SECONDS) as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=_CONNECT_SECONDS)
    except (OSError, KombuError, LookupError, ImportError, ValueError) as error:
        raise ServerUnreachable(
            f"{variable}: nothing usable answers at {_place(url)} ({_first_line(error)}), and background work needs "
            f"it: money on hold would stay there. Start that server or correct {variable}; to do without, unset it."
        ) from None


def _place(url: str) -> str:
    """Where a server listens, without the user and the password."""
    parts = urlsplit(url)
    return parts.netloc.rpartition("@")[2] or parts.path or "an address without a host"


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
