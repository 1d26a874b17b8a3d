"""Who is asking: from the Authorization header to the Caller behind it."""

from api.edge import Exchange
from api.limits import count_read
from api.problems import Problem, Refused
from tenants.caller import Caller
from tenants.errors import InvalidKey, PermissionMissing
from tenants.networks import refuse_from_elsewhere
from tenants.selectors import caller_for

_SCHEME = b"bearer "
_LONGEST = 256


async def authenticate(authorization: bytes | None, *, address: str | None) -> Caller:
    """The caller of a request that comes from `address`, which a key may be bound to."""
    caller = await caller_for(_key_in(authorization))
    refuse_from_elsewhere(address, allowed=caller.allowed_networks)
    return caller


async def recognise(exchange: Exchange) -> Caller:
    """The caller of a plain request, who from now on is known to be its caller."""
    exchange.caller = await authenticate(exchange.headers.get(b"authorization"), address=exchange.address)
    return exchange.caller


async def recognise_reader(exchange: Exchange) -> Caller:
    """The same of a request that runs nothing: it is counted as such."""
    caller = await recognise(exchange)
    await count_read(caller)
    return caller


def require(caller: Caller, permission: str) -> None:
    """Raise PermissionMissing unless the caller's key carries the permission."""
    if not caller.may(permission):
        raise PermissionMissing(f"This API key lacks the permission {permission}.")


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
