"""Whose runs a caller may read: never everybody's for want of a key."""

from typing import Any
from uuid import UUID

import pytest

from agents.services.visibility import Whose, key_to_read
from tenants.caller import Caller
from tenants.errors import PermissionMissing
from tenants.permissions import USAGE_READ

KEY = UUID(int=7)


def caller(*permissions: str, **fields: Any) -> Caller:
    return Caller(organization_id=UUID(int=1), organization_slug="acme", permissions=frozenset(permissions), **fields)


@pytest.mark.parametrize(
    ("permissions", "whose", "found"),
    [((), None, KEY), ((), "key", KEY), ((USAGE_READ,), None, None), ((USAGE_READ,), "key", KEY)],
)
def test_a_key_reads_its_own_runs_and_with_the_permission_all(
    permissions: tuple[str, ...], whose: Whose | None, found: UUID | None
) -> None:
    assert key_to_read(caller(*permissions, key_id=KEY), whose) == found


@pytest.mark.parametrize(("permissions", "whose"), [((), None), ((), "key"), ((USAGE_READ,), "key")])
def test_who_has_no_key_is_not_taken_for_everybody(permissions: tuple[str, ...], whose: Whose | None) -> None:
    with pytest.raises(PermissionMissing):
        key_to_read(caller(*permissions), whose)
