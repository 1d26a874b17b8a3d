"""Rows for tests, each through the service that makes it in the product."""

from itertools import count
from uuid import uuid4

from tenants.models import Organization, User
from tenants.services import create_organization

_number = count(1)


def unique(word: str) -> str:
    """A slug nobody else has, in a database that is never emptied."""
    return f"{word.lower().replace(' ', '-')}-{next(_number)}-{uuid4().hex[:8]}"


def organization(name: str = "Acme") -> Organization:
    """An organization of that name with a slug of its own."""
    return create_organization(name=name, slug=unique(name))


def user(*, email: str | None = None, password: str | None = None, is_staff: bool = False) -> User:
    """A person with an address of their own."""
    return User.objects.create_user(email or f"{unique('person')}@example.test", password, is_staff=is_staff)
