"""Whose spending a budget may count, and what they are called: told by the application that knows them."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from tenants.models import ApiKey

Names: TypeAlias = Callable[[], Mapping[str, str]]
"""What the current organization has of a kind, by their ids."""


def know(scope: str, names: Names) -> None:
    """Say who is there of a scope; an application does so when it is ready."""
    _known[scope] = names


def names_of(scope: str) -> Mapping[str, str]:
    """The current organization's keys or agents, by their ids; nothing for what has no ids of ours."""
    names = _known.get(scope)
    return {} if names is None else names()


def _keys() -> Mapping[str, str]:
    keys = ApiKey.objects.filter(revoked_at__isnull=True).order_by("name", "id")
    return {str(key.id): f"{key.name} (…{key.last_four})" for key in keys}


_known: dict[str, Names] = {"key": _keys}
