"""From an API key to the party behind it: checked without I/O, then from a brief cache, then with one query."""

import asyncio
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import InterfaceError, OperationalError, connections
from django.utils import timezone

from tenants import context, keys, notify
from tenants.caller import Caller
from tenants.errors import ExpiredKey, InvalidKey, OrganizationSuspended, TenantsUnavailable
from tenants.limits import Rules
from tenants.networks import networks
from tenants.roles import permissions_of
from tenants.services.keys import note_use, write_uses
from tenants.threads import answered, submit

FRESH_S: Final = 5.0
UNKNOWN_S: Final = 2.0
WITHOUT_DATABASE_S: Final = 60.0
WRITE_USES_EVERY_S: Final = 15.0
MOST_KNOWN: Final = 20_000
MOST_UNKNOWN: Final = 1_000

_UNKNOWN_KEY: Final = "The API key is not known here, or it was revoked."


@dataclass(frozen=True, kw_only=True, slots=True)
class _Known:
    """One recognised key, as of `seen` on the monotonic clock."""

    caller: Caller
    public_id: str
    suspended: bool
    expires_at: datetime | None
    seen: float


class _Away:
    """The answer of a database that does not answer."""


class Recognition:
    """What this process knows of keys. `clock` counts seconds and never goes back."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[bytes, _Known] = {}
        self._unknown: dict[bytes, float] = {}
        self._lookups: dict[bytes, asyncio.Task[_Known | _Away | None]] = {}
        self._changes = 0
        self._uses_written = float("-inf")

    async def caller(self, bearer: str) -> Caller:
        """The party behind a key."""
        text = keys.recognise(bearer)
        digest = hashlib.sha256(bearer.encode()).digest()
        now = self._clock()
        known = self._known.get(digest)
        if known is None or now - known.seen > FRESH_S:
            if self._unknown.get(digest, -UNKNOWN_S) > now - UNKNOWN_S:
                raise InvalidKey(_UNKNOWN_KEY)
            known = await self._looked_up(digest, bearer, text.public_id)
        _refuse(known)
        self._note_use(known, now)
        return known.caller

    def forget(self, public_id: str | None) -> None:
        """Ask the database again about this key, or about all."""
        self._changes += 1
        for digest, known in tuple(self._known.items()):
            if public_id is None or known.public_id == public_id:
                self._known.pop(digest, None)
        self._unknown.clear()

    def forget_organization(self, organization_id: str | None) -> None:
        """Ask the database again about the keys of an organization, or about all."""
        self._changes += 1
        for digest, known in tuple(self._known.items()):
            if organization_id is None or str(known.caller.organization_id) == organization_id:
                self._known.pop(digest, None)

    async def _looked_up(self, digest: bytes, bearer: str, public_id: str) -> _Known:
        lookup = self._lookups.get(digest)
        loop = asyncio.get_running_loop()
        if lookup is None or lookup.get_loop() is not loop:
            # A task of its own: the first to ask may hang up while others wait for the same answer.
            lookup = loop.create_task(self._look_up(digest, bearer, public_id))
            self._lookups[digest] = lookup
            lookup.add_done_callback(lambda _: self._lookups.pop(digest, None))
        answer = await asyncio.shield(lookup)
        if isinstance(answer, _Away):
            known = self._known.get(digest)
            if known is None or self._clock() - known.seen > WITHOUT_DATABASE_S:
                raise TenantsUnavailable("API keys cannot be checked just now; try again shortly.")
            return known
        if answer is None:
            raise InvalidKey(_UNKNOWN_KEY)
        return answer

    async def _look_up(self, digest: bytes, bearer: str, public_id: str) -> _Known | _Away | None:
        changes = self._changes
        try:
            row = await answered(_row_of, public_id)
        except (OperationalError, InterfaceError, TenantsUnavailable):
            return _Away()
        known = _recognised(row, bearer, public_id, seen=self._clock()) if row else None
        if known is None:
            self._known.pop(digest, None)
            _keep(self._unknown, digest, self._clock(), most=MOST_UNKNOWN)
        elif changes == self._changes:  # else the answer may be older than what was just told
            _keep(self._known, digest, known, most=MOST_KNOWN)
        return known

    def _note_use(self, known: _Known, now: float) -> None:
        if known.caller.key_id is not None:
            note_use(known.caller.key_id)
        if now - self._uses_written > WRITE_USES_EVERY_S:
            self._uses_written = now
            submit(write_uses)
            # And once more in a while, so that the last request before a quiet hour is written as well.
            asyncio.get_running_loop().call_later(WRITE_USES_EVERY_S, submit, write_uses)


def _refuse(known: _Known) -> None:
    if known.expires_at is not None and known.expires_at <= timezone.now():
        raise ExpiredKey("The API key has expired; make a new one.")
    if known.suspended:
        raise OrganizationSuspended("The organization of this API key is suspended.")


def _row_of(public_id: str) -> dict[str, Any] | None:
    with connections[context.APP].cursor() as cursor:
        cursor.execute("SELECT * FROM tenants_key_lookup(%s)", [public_id])
        row = cursor.fetchone()
        if row is None:
            return None
        return dict(zip((column.name for column in cursor.description), row, strict=True))


def _recognised(row: dict[str, Any], bearer: str, public_id: str, *, seen: float) -> _Known | None:
    good = keys.matches(bearer, kept=bytes(row["digest"]), pepper_version=row["pepper_version"])
    if not good or row["revoked_at"] is not None:
        return None
    rights = _rights(row)
    if rights is None:
        return None
    caller = Caller(
        organization_id=row["organization_id"],
        organization_slug=row["organization_slug"],
        permissions=rights,
        key_id=row["id"],
        test_mode=row["test_mode"],
        allowed_agents=None if row["allowed_agents"] is None else frozenset(map(UUID, map(str, row["allowed_agents"]))),
        allowed_networks=None if row["allowed_networks"] is None else networks(row["allowed_networks"]),
        limits=Rules.told(row["limits"]).for_key(row["id"]),
    )
    return _Known(
        caller=caller,
        public_id=public_id,
        suspended=row["organization_status"] != "active",
        expires_at=row["expires_at"],
        seen=seen,
    )


def _rights(row: dict[str, Any]) -> frozenset[str] | None:
    """What the key permits now: never more than its maker may do today, and nothing once the maker is gone."""
    carried = frozenset(row["permissions"])
    if row["creator_id"] is None:
        return carried
    if not row["creator_is_active"]:
        return None
    if row["creator_is_staff"]:
        return carried
    return carried & permissions_of(row["creator_role"]) if row["creator_role"] else None


def _keep(cache: dict[bytes, Any], digest: bytes, value: Any, *, most: int) -> None:
    cache.pop(digest, None)
    while len(cache) >= most:
        cache.pop(next(iter(cache)), None)
    cache[digest] = value


recognition: Final = Recognition()
notify.subscribe("key", recognition.forget)
notify.subscribe("organization", recognition.forget_organization)
