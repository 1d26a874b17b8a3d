"""Whose data this piece of work may see: set once where work enters, read by managers, router and database engine."""

from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction

from tenants.errors import NoTenant

APP = "default"
PLATFORM = "platform"
OWNER = "owner"


@dataclass(frozen=True, kw_only=True)
class _Platform:
    reason: str


_scope: ContextVar[UUID | _Platform | None] = ContextVar("robutler_scope", default=None)


@contextmanager
def organization_context(organization_id: UUID) -> Generator[None]:
    """Work within as this organization; the walls hide everything of others."""
    if not isinstance(organization_id, UUID):
        raise TypeError(f"An organization is named by its UUID, not by {organization_id!r}.")
    token = _scope.set(organization_id)
    try:
        yield
    finally:
        _scope.reset(token)


@contextmanager
def platform_context(*, reason: str) -> Generator[None]:
    """Work across organizations; `reason` says why and is kept with what is audited within."""
    if not reason:
        raise ValueError("Say why this work needs to see every organization.")
    token = _scope.set(_Platform(reason=reason))
    try:
        yield
    finally:
        _scope.reset(token)


def current_organization() -> UUID:
    """The organization this work belongs to; NoTenant without one."""
    scope = _scope.get()
    if isinstance(scope, UUID):
        return scope
    raise NoTenant("Say whose data this is: enter organization_context() or platform_context() first.")


def organization_or_none() -> UUID | None:
    """The organization this work belongs to, None within platform work and outside of any."""
    scope = _scope.get()
    return scope if isinstance(scope, UUID) else None


def in_platform() -> bool:
    """Whether this work may see every organization."""
    return isinstance(_scope.get(), _Platform)


def platform_reason() -> str:
    """Why this work may see every organization; empty when it may not."""
    scope = _scope.get()
    return scope.reason if isinstance(scope, _Platform) else ""


def alias() -> str:
    """The database connection this work goes through."""
    return PLATFORM if in_platform() else APP


def atomic(*, durable: bool = False) -> AbstractContextManager[None]:
    """A transaction on the connection this work goes through."""
    return transaction.atomic(using=alias(), durable=durable)
