"""The Storage port: small JSON values of one agent and one calling organization, as rows."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

from django.db import DataError, OperationalError, connections
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from agents.models import StoredItem
from agents.runtime.whole import whole
from skills.sdk import NotAvailable, ToolFailed
from tenants.context import alias, organization_context
from tenants.ids import uuid7
from tenants.threads import in_thread

P = ParamSpec("P")
T = TypeVar("T")

LARGEST_BYTES = 262_144
LONGEST_NAMESPACE = 64
LONGEST_KEY = 256

_MARK = """
    INSERT INTO agents_storeditem
        (id, organization_id, agent_organization_id, agent_id, namespace, key, value, expires_at)
    VALUES (%s, %s, %s, %s, %s, %s, 'true', now() + make_interval(secs => %s))
    ON CONFLICT (organization_id, agent_id, namespace, key)
        DO UPDATE SET value = 'true', expires_at = excluded.expires_at WHERE agents_storeditem.expires_at <= now()
    RETURNING id
"""


class RowStorage:
    """Keeps values for one agent and one caller; neither can reach those of another."""

    def __init__(self, *, caller_id: UUID, agent_id: UUID, agent_organization_id: UUID) -> None:
        self._caller_id = caller_id
        self._agent_id = agent_id
        self._agent_organization_id = agent_organization_id

    async def get_many(self, namespace: str, keys: Sequence[str]) -> Mapping[str, Any]:
        """The values that exist and have not expired, by key."""
        return await self._ask(self._get_many, namespace, keys)

    async def keys(self, namespace: str, *, prefix: str = "", limit: int = 100) -> Sequence[str]:
        """The first keys in order, of those that begin with `prefix` and have not expired."""
        return await self._ask(self._keys, namespace, prefix, limit)

    async def put(self, namespace: str, key: str, value: Any, *, lifetime: timedelta | None = None) -> None:
        """Keep `value` (JSON, at most 256 KB) under `key`, replacing what was there."""
        _check(namespace, key)
        value = whole(value)
        if len(json.dumps(value, ensure_ascii=False).encode()) > LARGEST_BYTES:
            raise ToolFailed(f"The value of {key!r} is larger than {LARGEST_BYTES // 1024} KB and cannot be kept.")
        await self._ask(self._put, namespace, key, value, lifetime)

    async def delete(self, namespace: str, key: str) -> bool:
        """Remove the value; whether there was one."""
        return await self._ask(self._delete, namespace, key)

    async def mark_once(self, namespace: str, key: str, *, lifetime: timedelta) -> bool:
        """True for the first caller to mark `key`, False for every later one until it expires."""
        _check(namespace, key)
        return await self._ask(self._mark_once, namespace, key, lifetime)

    async def _ask(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Work in a thread, as the caller; what the database cannot do, or does not take, is a tool's failure."""
        try:
            with organization_context(self._caller_id):
                return await in_thread(work, *args, **kwargs)
        except OperationalError as error:
            raise NotAvailable("What was kept cannot be reached at the moment.") from error
        except DataError as error:
            raise ToolFailed("This cannot be kept: the database does not take it.") from error

    def _get_many(self, namespace: str, keys: Sequence[str]) -> dict[str, Any]:
        return dict(self._fresh(namespace).filter(key__in=keys).values_list("key", "value"))

    def _keys(self, namespace: str, prefix: str, limit: int) -> list[str]:
        found = self._fresh(namespace).filter(key__startswith=prefix).order_by("key")
        return list(found.values_list("key", flat=True)[:limit])

    def _fresh(self, namespace: str) -> QuerySet[StoredItem]:
        fresh = Q(expires_at__isnull=True) | Q(expires_at__gt=Now())
        return StoredItem.objects.filter(fresh, agent_id=self._agent_id, namespace=namespace)

    def _put(self, namespace: str, key: str, value: Any, lifetime: timedelta | None) -> None:
        item = StoredItem(
            organization_id=self._caller_id,
            agent_organization_id=self._agent_organization_id,
            agent_id=self._agent_id,
            namespace=namespace,
            key=key,
            value=value,
            expires_at=None if lifetime is None else timezone.now() + lifetime,
        )
        StoredItem.objects.bulk_create(
            [item],
            update_conflicts=True,
            unique_fields=("organization", "agent", "namespace", "key"),
            update_fields=("value", "expires_at"),
        )

    def _delete(self, namespace: str, key: str) -> bool:
        gone, _ = StoredItem.objects.filter(agent_id=self._agent_id, namespace=namespace, key=key).delete()
        return gone > 0

    def _mark_once(self, namespace: str, key: str, lifetime: timedelta) -> bool:
        who = [uuid7(), self._caller_id, self._agent_organization_id, self._agent_id]
        with connections[alias()].cursor() as cursor:
            cursor.execute(_MARK, [*who, namespace, key, lifetime.total_seconds()])
            return cursor.fetchone() is not None


def _check(namespace: str, key: str) -> None:
    is_right = 0 < len(namespace) <= LONGEST_NAMESPACE and 0 < len(key) <= LONGEST_KEY
    if not is_right or whole([namespace, key]) != [namespace, key]:
        raise ToolFailed("A namespace has 1 to 64 characters, a key 1 to 256.")
