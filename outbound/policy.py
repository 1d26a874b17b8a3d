"""What this installation lets out: the operator's allow list and the ports, and the check of a URL against them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from yarl import URL

from outbound.addresses import is_public, is_public_name, literal
from outbound.errors import ForbiddenAddress

PORTS = frozenset((80, 443))
"""Where tenants may connect to, unless the operator says otherwise."""
SCHEMES = frozenset(("http", "https"))
URL_CHARACTERS_MAX = 4_096


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What is let out. `allow` holds (host, port) pairs that the operator opened, inside or not."""

    allow: frozenset[tuple[str, int]] = frozenset()
    ports: frozenset[int] = PORTS

    def opens(self, host: str, port: int) -> bool:
        """Whether the operator opened this very host and port."""
        return (_normal(host), port) in self.allow


_policy = Policy()


def configure(*, allow: Iterable[str] = (), ports: Iterable[int] = PORTS) -> None:
    """Set what is let out, for the whole process; only the operator's settings may decide this.

    `allow` is `host:port`, `[::1]:port` for IPv6; a name is matched as written and may resolve to anything.
    """
    global _policy  # noqa: PLW0603  # one process, one policy: tenants cannot bring their own
    _policy = Policy(allow=frozenset(_host_and_port(entry) for entry in allow), ports=frozenset(ports))


def policy() -> Policy:
    """The policy in force."""
    return _policy


def check_public_url(url: str) -> URL:
    """The URL, parsed, if it is of the public internet; what the operator opened inside is not. As `check_url`."""
    return _checked(url, Policy(ports=policy().ports))


def check_url(url: str | URL) -> URL:
    """The URL, parsed, if its form is one that may be requested. Raises ForbiddenAddress.

    Names are not looked up here: whoever connects checks each address again.
    """
    return _checked(url, policy())


def _checked(url: str | URL, rules: Policy) -> URL:
    parsed = url if isinstance(url, URL) else _parsed(url)
    if parsed.scheme not in SCHEMES:
        raise ForbiddenAddress("The URL must begin with http:// or https://.")
    if parsed.raw_user is not None or parsed.raw_password is not None:
        raise ForbiddenAddress("The URL must not carry a user name or password.")
    host, port = parsed.raw_host, parsed.port
    if not host or not port:
        raise ForbiddenAddress("The URL names no host.")
    if not rules.opens(host, port):
        _check_host(_normal(host))
        if port not in rules.ports:
            raise ForbiddenAddress(f"Port {port} is not open for requests.")
    return parsed


def _parsed(url: str) -> URL:
    authority = re.split(r"[/?#]", url.partition("://")[2], maxsplit=1)[0]
    if len(url) > URL_CHARACTERS_MAX:
        raise ForbiddenAddress(f"The URL is longer than {URL_CHARACTERS_MAX} characters.")
    if not url.isprintable() or any(character in url for character in "\\ ") or "%" in authority:
        raise ForbiddenAddress("The URL holds characters that have no place in one.")
    if "@" in authority:
        raise ForbiddenAddress("The URL must not carry a user name or password.")
    try:
        return URL(url)
    except ValueError:
        raise ForbiddenAddress("This is not a URL.") from None


def _check_host(host: str) -> None:
    address = literal(host)
    allowed = is_public(address) if address else is_public_name(host)
    if not allowed:
        raise ForbiddenAddress("The URL's host is not on the public internet.")


def _normal(host: str) -> str:
    host = host.lower().removesuffix(".")
    return literal(host) or host


def _host_and_port(entry: str) -> tuple[str, int]:
    host, _, port = entry.strip().rpartition(":")
    if not host or not port.isdecimal():
        raise ValueError(f"{entry!r} is not host:port.")
    return _normal(host.removeprefix("[").removesuffix("]")), int(port)
