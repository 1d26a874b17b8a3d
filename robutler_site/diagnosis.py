"""What `doctor` looks at: each check says how things are and, when they are not well, what to do."""

import os
import resource
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from django.conf import settings
from django.db import OperationalError, connections
from kombu.exceptions import KombuError

from billing import spool
from robutler_site import servers, startup
from robutler_site.celery import app, uses_own_broker
from robutler_site.messages import DEAD_QUEUE
from tenants import selectors
from tenants.context import platform_context
from tenants.errors import SecretUnreadable
from tenants.models import ProviderCredential

State = Literal["good", "warning", "bad"]

WORKER_ANSWERS_WITHIN_S = 2.0
LARGEST_CLOCK_DIFFERENCE_S = 2.0
LITTLE_DISK_BYTES = 1_000_000_000
NO_DISK_BYTES = 100_000_000
FEW_FILES = 4_096
# Whether a role may be a superuser (never) and whether it may look past the walls.
_BYPASSES = {"owner": False, "default": False, "platform": True}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one check found."""

    check: str
    state: State
    detail: str


def examine() -> list[Finding]:
    """Run every check; where the database does not answer or lacks tables, those that need it are left out."""
    findings = [*_machine(), _spool()]
    try:
        findings += _database()
    except OperationalError as error:
        return [*findings, Finding(check="database", state="bad", detail=servers.why_the_database_is_away(error))]
    migrations = _migrations()
    findings += [_clock(), migrations]
    if migrations.state == "bad":
        return findings  # what follows reads tables that may not be there yet
    return [*findings, _credentials(), *_background()]


def _machine() -> Iterator[Finding]:
    free = shutil.disk_usage(_existing(str(settings.ROBUTLER.var_dir))).free
    state: State = "bad" if free < NO_DISK_BYTES else "warning" if free < LITTLE_DISK_BYTES else "good"
    yield Finding(check="disk", state=state, detail=f"{free / 1e9:.1f} GB free for {settings.ROBUTLER.var_dir}")
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = soft == resource.RLIM_INFINITY or soft >= FEW_FILES
    hint = "" if enough else f"; streams need more: ulimit -n {FEW_FILES * 4}"
    yield Finding(check="open files", state="good" if enough else "warning", detail=f"limit {soft}{hint}")


def _spool() -> Finding:
    """Ends of runs that wait are brought to the books by any web process; those that were refused need somebody."""
    found = spool.census()
    detail = f"{found.waiting} ends of runs wait for the database"
    if found.refused:
        detail += f"; the books refused {found.refused}: see {spool.refused()}"
    return Finding(
        check="spool", state="bad" if found.refused else "warning" if found.waiting else "good", detail=detail
    )


def _database() -> Iterator[Finding]:
    for alias, may_bypass in _BYPASSES.items():
        with connections[alias].cursor() as cursor:
            cursor.execute("SELECT rolname, rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user")
            name, is_superuser, bypasses = cursor.fetchone()
        right = not is_superuser and bypasses == may_bypass
        detail = f"{name}, {'looks past' if bypasses else 'held by'} the walls between organizations"
        if is_superuser:
            detail = f"{name} is a superuser, whom no wall holds: give the platform roles of its own"
        yield Finding(check=f"role {alias}", state="good" if right else "bad", detail=detail)


def _migrations() -> Finding:
    pending = startup.pending_migrations()
    detail = f"{pending} to apply: manage.py migrate --database owner" if pending else "all applied"
    return Finding(check="migrations", state="bad" if pending else "good", detail=detail)


def _clock() -> Finding:
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (there,) = cursor.fetchone()
    apart = abs((datetime.now(UTC) - there).total_seconds())
    good = apart <= LARGEST_CLOCK_DIFFERENCE_S
    detail = f"{apart:.3f} s from the database's" + ("" if good else ": let both follow the same time server")
    return Finding(check="clock", state="good" if good else "bad", detail=detail)


def _credentials() -> Finding:
    closed = []
    with platform_context(reason="check that credentials open"):
        rows = list(ProviderCredential.objects.values_list("id", "organization_id", "provider"))
    for row_id, organization_id, name in rows:
        try:
            selectors.provider_credential(organization_id=organization_id, provider=name, reference=str(row_id))
        except SecretUnreadable:
            closed.append(f"{name} ({row_id})")
    detail = f"{len(rows) - len(closed)} of {len(rows)} open"
    if closed:
        detail += f"; ROBUTLER_KEK does not open {', '.join(closed)}"
    return Finding(check="credentials", state="bad" if closed else "good", detail=detail)


def _background() -> Iterator[Finding]:
    kind = "PostgreSQL" if uses_own_broker() else app.connection_for_read().transport.driver_name
    try:
        with app.connection_for_read() as connection:
            connection.ensure_connection(max_retries=1, timeout=5)
            dead = connection.default_channel.store.size(DEAD_QUEUE) if uses_own_broker() else 0
    except (OSError, KombuError, *app.connection_for_read().connection_errors) as error:
        yield Finding(check="broker", state="bad", detail=f"{kind}: {error}")
        return
    detail = kind + (f"; {dead} tasks were given up after felling their workers" if dead else "")
    yield Finding(check="broker", state="warning" if dead else "good", detail=detail)
    answers = app.control.ping(timeout=WORKER_ANSWERS_WITHIN_S)
    names = ", ".join(name for answer in answers for name in answer)
    yield Finding(
        check="worker",
        state="good" if answers else "bad",
        detail=names or "none answers: start one with celery -A robutler_site worker",
    )


def _existing(path: str) -> str:
    while not os.path.exists(path):
        path = os.path.dirname(path) or "/"
    return path
