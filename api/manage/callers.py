"""Who asks the management API: an API key, or a member who is signed in."""

from typing import Final

from asgiref.sync import async_to_sync
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.request import Request

from api import auth
from api.members import caller_at
from tenants.caller import Caller
from tenants.models import User

CHALLENGE: Final = "Bearer"


class KeyHolder:
    """Whoever holds a key: known, and no person."""

    is_authenticated = True
    is_staff = False


class KeyAuthentication(BaseAuthentication):
    """Knows a caller by the key in the Authorization header."""

    def authenticate(self, request: Request) -> tuple[KeyHolder, Caller] | None:
        """The caller; nobody without the header, and refused with a wrong one."""
        header = request.headers.get("Authorization")
        if header is None:
            return None
        address = request.META.get("REMOTE_ADDR")
        caller = async_to_sync(auth.authenticate)(header.encode("latin-1", "replace"), address=address)
        return KeyHolder(), caller

    def authenticate_header(self, request: Request) -> str:
        """What a client without a key is asked for."""
        return CHALLENGE


class MemberAuthentication(SessionAuthentication):
    """Knows a member by its session, in the organization that was chosen in the console."""

    def authenticate(self, request: Request) -> tuple[User, Caller] | None:
        """The person and the caller that its seat makes of it; nobody without a seat."""
        found = super().authenticate(request)
        seat = getattr(request._request, "seat", None)
        if found is None or seat is None:
            return None
        person: User = found[0]
        return person, caller_at(seat, user_id=person.pk)
