"""Keys issued, revoked, and remembered as used."""

import logging
from collections.abc import Iterable
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import DatabaseError, connections
from django.utils import timezone

from tenants import audit, context, keys, notify
from tenants.errors import PermissionMissing
from tenants.limits import KEY, NO_LIMITS, Limits
from tenants.models import ApiKey, Membership, User
from tenants.networks import networks
from tenants.permissions import AGENTS_READ, CHAT_WRITE, KEY_PERMISSIONS, USAGE_READ
from tenants.secret import Secret
from tenants.services.limits import set_limits

DEFAULT_PERMISSIONS: Final = frozenset({CHAT_WRITE, AGENTS_READ, USAGE_READ})

_log = logging.getLogger(__name__)


def issue_key(
    *,
    organization_id: UUID,
    name: str,
    permissions: Iterable[str] = DEFAULT_PERMISSIONS,
    created_by: User | None = None,
    expires_at: datetime | None = None,
    test_mode: bool = False,
    allowed_agents: Iterable[UUID] | None = None,
    allowed_networks: Iterable[str] | None = None,
    limits: Limits = NO_LIMITS,
) -> tuple[ApiKey, Secret]:
    """A new key and its text, which is shown this once and kept nowhere.

    `created_by` None is the platform itself; a person passes on no more than their seat allows.
    """
    wanted = frozenset(permissions)
    if not wanted <= KEY_PERMISSIONS:
        raise PermissionMissing(f"No key carries {', '.join(sorted(wanted - KEY_PERMISSIONS))}.")
    text = keys.generate(test_mode=test_mode)
    key = ApiKey(
        organization_id=organization_id,
        name=name,
        public_id=keys.recognise(text.reveal()).public_id,
        digest=keys.digest(text.reveal()),
        pepper_version=keys.current_pepper_version(),
        last_four=text.reveal()[-4:],
        permissions=sorted(wanted),
        test_mode=test_mode,
        allowed_agents=None if allowed_agents is None else list(allowed_agents),
        allowed_networks=None if allowed_networks is None else [str(each) for each in networks(allowed_networks)],
        created_by=created_by,
        expires_at=expires_at,
    )
    with context.atomic():
        _require_rights(created_by, organization_id=organization_id, wanted=wanted)
        key.save(force_insert=True)
        audit.record(
            action="key.issued", object=key, organization_id=organization_id, detail={"permissions": key.permissions}
        )
        if limits.said:
            set_limits(organization_id=organization_id, kind=KEY, subject=str(key.id), limits=limits)
    return key, text


def revoke_key(key: ApiKey) -> None:
    """Refuse the key everywhere from now on; revoking it again changes nothing."""
    with context.atomic():
        revoked = ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=timezone.now())
        if revoked:
            audit.record(action="key.revoked", object=key, organization_id=key.organization_id)
            notify.publish("key", key.public_id)
            notify.publish("revoked", str(key.pk))
    key.refresh_from_db(fields=["revoked_at"])


class _Uses:
    """When keys were last used, gathered here and written in one statement every now and then."""

    def __init__(self) -> None:
        self._latest: dict[UUID, datetime] = {}

    def add(self, key_id: UUID, at: datetime) -> None:
        self._latest[key_id] = at

    def take(self) -> dict[UUID, datetime]:
        taken, self._latest = self._latest, {}
        return taken


_uses = _Uses()


def note_use(key_id: UUID) -> None:
    """Remember that a key was used now; `write_uses` stores it."""
    _uses.add(key_id, timezone.now())


def write_uses() -> int:
    """Store when keys were last used; how many rows that moved."""
    taken = _uses.take()
    if not taken:
        return 0
    with context.platform_context(reason="last use of keys"), connections[context.PLATFORM].cursor() as cursor:
        try:
            cursor.execute(
                "UPDATE tenants_apikey k SET last_used_at = u.at FROM unnest(%s::uuid[], %s::timestamptz[]) u (id, at) "
                "WHERE k.id = u.id AND (k.last_used_at IS NULL OR k.last_used_at < u.at)",
                [list(taken), list(taken.values())],
            )
        except DatabaseError:
            _log.warning("The last use of %d keys was not written", len(taken))
            return 0
        return int(cursor.rowcount)


def _require_rights(creator: User | None, *, organization_id: UUID, wanted: frozenset[str]) -> None:
    if creator is None or creator.is_staff:
        return
    seat = Membership.objects.filter(organization_id=organization_id, user=creator).first()
    allowed = seat.permissions if seat else frozenset()
    if not wanted <= allowed:
        raise PermissionMissing(
            f"Your seat does not allow {', '.join(sorted(wanted - allowed))}, so no key of yours may."
        )
