"""Who is signed in, by the id of a session alone: for connections that are no requests of Django's."""

from importlib import import_module

from django.conf import settings
from django.contrib.auth import get_user
from django.http import HttpRequest

from tenants.models import User
from tenants.selectors import CHOSEN, Seat, seat_of


def seated_by(session_key: str) -> tuple[int, Seat] | None:
    """The id of the person that the session is of, and its seat; None for nobody, or for somebody without a seat."""
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    person = get_user(request)
    if not isinstance(person, User):
        return None
    seat = seat_of(person.pk, chosen=request.session.get(CHOSEN))
    return None if seat is None else (person.pk, seat)
