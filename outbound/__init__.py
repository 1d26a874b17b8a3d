"""The one safe way out: HTTP to addresses that tenants choose, and never to one of ours."""

from outbound.bodies import read
from outbound.client import close_all, session, translated
from outbound.errors import (
    ForbiddenAddress,
    InvalidRequest,
    OutboundError,
    OutboundTimeout,
    RedirectRefused,
    TooLarge,
    Unreachable,
)
from outbound.fetching import Fetched, fetch
from outbound.policy import check_public_url, check_url, configure
from outbound.tracing import traceparent

__all__ = [
    "Fetched",
    "ForbiddenAddress",
    "InvalidRequest",
    "OutboundError",
    "OutboundTimeout",
    "RedirectRefused",
    "TooLarge",
    "Unreachable",
    "check_public_url",
    "check_url",
    "close_all",
    "configure",
    "fetch",
    "read",
    "session",
    "traceparent",
    "translated",
]
