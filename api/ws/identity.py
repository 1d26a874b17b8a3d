"""Who is at the other end of a socket: a key that was sent along, or a member whose browser is signed in.

Browsers send cookies with every handshake, from whatever page it comes, so a session counts only for pages of ours.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Final, Protocol
from urllib.parse import urlsplit

from asgiref.typing import WebSocketScope
from django.conf import settings
from django.http.request import validate_host

from api import auth
from api.members import caller_at
from api.problems import Problem, Refused
from tenants.caller import Caller
from tenants.sessions import seated_by
from tenants.threads import answered

SUBPROTOCOL: Final = "robutler"
BEARER: Final = "bearer."
"""Browsers cannot send headers with a handshake, but subprotocols: `robutler` and `bearer.rb_live_…`."""


class Identity(Protocol):
    """Somebody who says who it is, and may be asked again whether that still holds."""

    async def caller(self) -> Caller:
        """The party as of now. Raises what the API would answer."""
        ...


@dataclass(frozen=True, kw_only=True)
class KeyHolder:
    """Whoever sent a key along."""

    authorization: bytes
    address: str | None

    async def caller(self) -> Caller:
        """The key's caller."""
        return await auth.authenticate(self.authorization, address=self.address)


@dataclass(frozen=True, kw_only=True)
class Member:
    """A person who is signed in."""

    session_key: str

    async def caller(self) -> Caller:
        """The person, at the seat that it chose."""
        found = await answered(seated_by, self.session_key)
        if found is None:
            raise Refused(_signed_out())
        user_id, seat = found
        return caller_at(seat, user_id=user_id)


def at_handshake(scope: WebSocketScope) -> Identity | None:
    """Who says in the handshake who it is; None for somebody who has yet to.

    Raises Refused for a session from a page that is not ours.
    """
    headers = dict(scope["headers"])
    if authorization := headers.get(b"authorization"):
        return KeyHolder(authorization=authorization, address=_address(scope))
    offered = (name for name in scope["subprotocols"] if name.startswith(BEARER))
    if (key := next(offered, None)) is not None:
        return holder_of(key.removeprefix(BEARER), scope)
    session_key = _session_key(headers.get(b"cookie", b""))
    if session_key is None:
        return None
    if not _is_ours(headers):
        raise Refused(_elsewhere())
    return Member(session_key=session_key)


def holder_of(key: str, scope: WebSocketScope) -> KeyHolder:
    """Whoever sent this key over the socket."""
    return KeyHolder(authorization=b"Bearer " + key.encode("utf-8", "replace"), address=_address(scope))


def agreed(offered: Iterable[str]) -> str | None:
    """The subprotocol to speak, of those that were offered; never the one that carries a key."""
    return SUBPROTOCOL if SUBPROTOCOL in offered else None


def _address(scope: WebSocketScope) -> str | None:
    client = scope["client"]
    return None if client is None else client[0]


def _session_key(header: bytes) -> str | None:
    cookies = SimpleCookie()
    try:
        cookies.load(header.decode("latin-1"))
    except CookieError:
        return None
    found = cookies.get(settings.SESSION_COOKIE_NAME)
    return found.value if found is not None and found.value else None


def _is_ours(headers: Mapping[bytes, bytes]) -> bool:
    """Whether the page that opened the socket is of this installation."""
    origin = headers.get(b"origin", b"").decode("latin-1")
    host = headers.get(b"host", b"").decode("latin-1")
    if origin in settings.CSRF_TRUSTED_ORIGINS:
        return True
    parts = urlsplit(origin)
    known = validate_host(parts.hostname or "", settings.ALLOWED_HOSTS)
    return parts.scheme in {"http", "https"} and known and parts.netloc.lower() == host.lower()


def _elsewhere() -> Problem:
    message = "A page of another site may not speak for whoever is signed in here. Send an API key instead."
    return Problem(status=403, type="permission_error", code="origin_not_allowed", message=message)


def _signed_out() -> Problem:
    message = "Nobody is signed in here, or has no seat in an organization. Sign in again, or send an API key."
    return Problem(status=401, type="authentication_error", code="signed_out", message=message)
