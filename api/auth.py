"""Who is asking: from the Authorization header to the Caller behind it."""

from api.problems import Problem, Refused
from tenants.caller import Caller
from tenants.errors import InvalidKey, PermissionMissing
from tenants.selectors import caller_for

_SCHEME = b"bearer "
_LONGEST = 256


async def authenticate(authorization: bytes | None, *, permission: str | None = None) -> Caller:
    """The caller of a request, who has to carry `permission` if one is named."""
    caller = await caller_for(_key_in(authorization))
    if permission is not None and not caller.may(permission):
        raise PermissionMissing(f"This API key lacks the permission {permission}.")
    return caller


def missing_key() -> Problem:
    """What someone without a key is told."""
    message = "Incorrect API key provided: there is none. Send it as 'Authorization: Bearer rb_live_…'."
    return Problem(status=401, type="authentication_error", code="missing_api_key", message=message)


def _key_in(authorization: bytes | None) -> str:
    """The key in `Bearer <key>`: the scheme in any case, one space, nothing before or behind."""
    if not authorization:
        raise Refused(missing_key())
    key = authorization[len(_SCHEME) :]
    if authorization[: len(_SCHEME)].lower() != _SCHEME or len(key) > _LONGEST or not key.isascii():
        raise InvalidKey
    return key.decode()
