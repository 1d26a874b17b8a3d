"""What can go wrong on the way out, without a word about the inside of the network."""


class OutboundError(Exception):
    """A request that was refused or failed. Messages may be shown to tenants."""


class ForbiddenAddress(OutboundError):
    """The URL, or an address its host resolves to, is one that tenants may not reach."""


class RedirectRefused(OutboundError):
    """The server answered with a redirect; nobody follows it unasked."""

    def __init__(self, message: str, *, status: int, location: str) -> None:
        super().__init__(message)
        self.status = status
        self.location = location


class InvalidRequest(OutboundError):
    """The request cannot be sent: its method or a header is not allowed."""


class TooLarge(OutboundError):
    """The answer is larger than the caller wants to read."""


class OutboundTimeout(OutboundError):
    """The server took too long; `connecting` says that it had not been reached yet."""

    def __init__(self, message: str, *, connecting: bool = False) -> None:
        super().__init__(message)
        self.connecting = connecting


class Unreachable(OutboundError):
    """No connection, or a broken one: DNS, TCP, TLS, or an answer that is not HTTP."""
