"""Writing down what was done, by whom."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.db import models

from tenants import context
from tenants.models import AuditEvent


@dataclass(frozen=True, kw_only=True)
class Actor:
    """Who acts in this piece of work, as far as it is known."""

    user_id: int | None = None
    key_id: UUID | None = None
    label: str = ""
    request_id: str = ""


_NOBODY = Actor()
_actor: ContextVar[Actor] = ContextVar("robutler_actor", default=_NOBODY)


@contextmanager
def acting(**who: Any) -> Generator[None]:
    """Everything recorded within was done by this actor (the fields of Actor; what is left out stays as it was)."""
    token = _actor.set(replace(_actor.get(), **who))
    try:
        yield
    finally:
        _actor.reset(token)


def record(
    *,
    action: str,
    object: models.Model | None = None,
    organization_id: UUID | None = None,
    detail: Mapping[str, Any] | None = None,
) -> AuditEvent:
    """Keep one event for good, in the transaction of what it is about.

    `organization_id` is needed in platform work only; without it the event is the platform's own.
    """
    actor = _actor.get()
    return AuditEvent.objects.create(
        organization_id=organization_id if context.in_platform() else context.current_organization(),
        action=action,
        object_type=object._meta.label_lower if object is not None else "",
        object_id=str(object.pk) if object is not None else "",
        object_label=str(object)[:200] if object is not None else "",
        actor_user_id=actor.user_id,
        actor_key_id=actor.key_id,
        actor_label=actor.label[:254],
        request_id=actor.request_id[:64],
        reason=context.platform_reason()[:500],
        detail=dict(detail or {}),
    )
