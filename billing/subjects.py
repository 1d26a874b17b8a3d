"""Whose spending a budget may count, and what they are called: told by the application that knows them."""

from collections.abc import Collection, Mapping
from typing import Protocol
from uuid import UUID

from tenants.models import ApiKey


class Names(Protocol):
    """What those of a kind are called, by their ids, as far as the current context sees them."""

    def __call__(self, ids: Collection[UUID] | None) -> Mapping[str, str]:
        """Those with these ids, or all to whom a new budget may be given."""


def know(scope: str, names: Names) -> None:
    """Say who is there of a scope; an application does so when it is ready."""
    _known[scope] = names


def names_of(scope: str, ids: Collection[str] | None = None) -> Mapping[str, str]:
    """What keys or agents are called, by their ids: these, or all that may get a budget."""
    names = _known.get(scope)
    if names is None:
        return {}
    return names(None if ids is None else [UUID(id) for id in ids if _is_id(id)])


def described(scope: str, name: str) -> str:
    """Whose spending counts, in words."""
    return "the organization" if scope == "organization" else f"the {scope.replace('_', ' ')} {name}"


def _keys(ids: Collection[UUID] | None) -> Mapping[str, str]:
    keys = ApiKey.objects.filter(revoked_at__isnull=True) if ids is None else ApiKey.objects.filter(id__in=ids)
    return {str(key.id): f"{key.name} (…{key.last_four})" for key in keys.order_by("name", "id")}


def _is_id(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


_known: dict[str, Names] = {"key": _keys}
