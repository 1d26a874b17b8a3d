"""Who asks the short endpoints."""

from typing import cast

from django.http import HttpRequest

from api import auth
from tenants.caller import Caller
from tenants.errors import PermissionMissing


async def required(request: HttpRequest) -> Caller:
    """The caller, who has to have a key."""
    return await auth.authenticate(_authorization(request), address=request.META.get("REMOTE_ADDR"))


async def optional(request: HttpRequest) -> Caller | None:
    """The caller if there is a key; one that is wrong is refused all the same."""
    return await required(request) if _authorization(request) else None


def caller_of(request: HttpRequest, *, with_any_of: frozenset[str] = frozenset()) -> Caller:
    """The caller of an endpoint that needs a key, who has to carry one of these permissions if any are named."""
    caller = cast(Caller, request.auth)  # type: ignore[attr-defined]  # set by ninja
    if with_any_of and not with_any_of & caller.permissions:
        raise PermissionMissing(f"This API key lacks the permission {' or '.join(sorted(with_any_of))}.")
    return caller


def _authorization(request: HttpRequest) -> bytes | None:
    header = request.headers.get("Authorization")
    return header.encode("latin-1", "replace") if header else None
