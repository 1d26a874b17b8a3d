"""Guessing passwords made slow: who was wrong too often from one place waits, even with the right one."""

import ipaddress
import math
from datetime import timedelta
from hashlib import sha256

from django.conf import settings
from django.db import connections
from django.utils import timezone

from tenants import audit, context
from tenants.errors import SignInLocked
from tenants.models import SignInAttempts

SUBSCRIBER_BITS = 64
"""So much of an IPv6 address says whose it is; the rest its owner chooses anew whenever it likes."""

_COUNT = """
INSERT INTO tenants_signinattempts AS known (digest, attempts, since) VALUES (%(digest)s, 1, %(now)s)
ON CONFLICT (digest) DO UPDATE SET
    attempts = CASE WHEN known.since <= %(forgotten)s THEN 1 ELSE known.attempts + 1 END,
    since = CASE WHEN known.since <= %(forgotten)s THEN %(now)s ELSE known.since END
RETURNING attempts, since
"""


def count_attempt(email: str, *, address: str) -> None:
    """Count an attempt before the password is looked at, so that many at once are no way around it.

    Raises SignInLocked when there were too many; the first of those is written down.
    """
    lock = timedelta(seconds=settings.ROBUTLER.sign_in_lock_s)
    most, now = settings.ROBUTLER.sign_in_failures, timezone.now()
    with context.platform_context(reason="count attempts to sign in"):
        SignInAttempts.objects.filter(since__lt=now - lock).delete()
        with context.atomic(), connections[context.PLATFORM].cursor() as cursor:
            cursor.execute(_COUNT, {"digest": _digest(email, address), "now": now, "forgotten": now - lock})
            attempts, since = cursor.fetchone()
            if attempts == most + 1:
                with audit.acting(label=email):
                    audit.record(action="sign_in.locked", detail={"address": address, "attempts": most})
    if attempts > most:
        raise SignInLocked(max(1, math.ceil((since + lock - now).total_seconds())))


def forget_attempts(email: str, *, address: str) -> None:
    """Begin to count anew: the person got in."""
    with context.platform_context(reason="count attempts to sign in"):
        SignInAttempts.objects.filter(digest=_digest(email, address)).delete()


def _digest(email: str, address: str) -> str:
    return sha256(f"{email.strip().lower()}\n{_place(address)}".encode()).hexdigest()


def _place(address: str) -> str:
    """Where somebody is who has this address: all addresses of one IPv6 network are one place."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return address
    if known.version == 4:
        return address
    if known.ipv4_mapped is not None:
        return str(known.ipv4_mapped)
    return str(ipaddress.ip_network((int(known), SUBSCRIBER_BITS), strict=False))
