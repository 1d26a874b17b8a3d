"""Who runs this installation: whoever holds its token, or sits at the machine while it is being developed."""

import hmac

from django.conf import settings

from api.edge import Exchange
from api.problems import Problem, Refused

_BEARER = b"bearer "
_FORWARDED = frozenset((b"forwarded", b"via", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip"))
_LOOPBACK = frozenset(("127.0.0.1", "::1"))


def is_operator(exchange: Exchange) -> bool:
    """Whether the request carries ROBUTLER_METRICS_TOKEN.

    Where none is set nobody does; outside of production, requests from the machine itself need none. What a proxy
    passes on comes from elsewhere, though the proxy be on this machine.
    """
    token = settings.ROBUTLER.metrics_token
    given = exchange.headers.get(b"authorization")
    if given is not None:
        is_bearer = given[: len(_BEARER)].lower() == _BEARER
        return bool(token) and is_bearer and hmac.compare_digest(given[len(_BEARER) :], token.encode())
    if token or settings.ROBUTLER.env == "production" or not _FORWARDED.isdisjoint(exchange.headers):
        return False
    client = exchange.scope["client"]
    return client is not None and client[0] in _LOOPBACK


def refuse_others(exchange: Exchange) -> None:
    """Raise for everybody but the operator."""
    if not is_operator(exchange):
        message = "This is for the operator: set ROBUTLER_METRICS_TOKEN and send it as 'Authorization: Bearer …'."
        raise Refused(Problem(status=403, type="permission_error", code="forbidden", message=message))
