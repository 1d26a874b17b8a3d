"""One request to an address that a tenant chose, within limits of time, size and redirects."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

import aiohttp
from yarl import URL

from outbound.bodies import read
from outbound.client import session, translated
from outbound.errors import ForbiddenAddress, InvalidRequest, RedirectRefused
from outbound.policy import check_url

FETCH_BYTES = 5_000_000
FETCH_SECONDS = 30.0
HEADER_CHARACTERS_MAX = 8_192
METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
OUR_HEADERS = frozenset(
    (
        "accept-encoding", "connection", "content-length", "expect", "forwarded", "host", "keep-alive", "te", "trailer",
        "transfer-encoding", "upgrade", "proxy-authorization", "proxy-connection", "x-forwarded-for",
        "x-forwarded-host",
    )
)  # fmt: skip
"""Headers that only the client itself may set: they steer the connection, or claim where it comes from."""
_AS_IT_WAS = frozenset((HTTPStatus.TEMPORARY_REDIRECT, HTTPStatus.PERMANENT_REDIRECT))


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """An answer. `url` is where it came from in the end; header names are lower case."""

    url: str
    status: int
    headers: dict[str, str]
    body: bytes


async def fetch(
    url: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] = {},
    body: bytes = b"",
    max_bytes: int = FETCH_BYTES,
    timeout_s: float = FETCH_SECONDS,
    max_redirects: int = 0,
    using: aiohttp.ClientSession | None = None,
) -> Fetched:
    """Request `url` and read the answer. Redirects are followed only to the same host, and only when asked to.

    Raises an OutboundError.
    """
    _check(method, headers)
    client = using or session()
    with translated():
        async with asyncio.timeout(timeout_s):
            target = check_url(url)
            for _ in range(max_redirects):
                try:
                    return await _once(client, target, method=method, headers=headers, body=body, max_bytes=max_bytes)
                except RedirectRefused as redirect:
                    target = _next(target, redirect)
                    if redirect.status not in _AS_IT_WAS and method != "HEAD":
                        method, body = "GET", b""
            return await _once(client, target, method=method, headers=headers, body=body, max_bytes=max_bytes)


async def _once(
    client: aiohttp.ClientSession, url: URL, *, method: str, headers: Mapping[str, str], body: bytes, max_bytes: int
) -> Fetched:
    async with client.request(method, url, headers=headers, data=body or None, allow_redirects=False) as response:
        answer = await read(response, max_bytes=max_bytes)
    names = {name.lower(): value for name, value in response.headers.items()}
    return Fetched(url=str(response.url), status=response.status, headers=names, body=answer)


def _check(method: str, headers: Mapping[str, str]) -> None:
    if method not in METHODS:
        raise InvalidRequest(f"{method[:20]!r} is not a method that can be sent.")
    for name, value in headers.items():
        if name.lower() in OUR_HEADERS:
            raise InvalidRequest(f"The header {name} cannot be set.")
        if not (name.isascii() and name.replace("-", "").replace("_", "").isalnum() and value.isprintable()):
            raise InvalidRequest("A header's name or value holds characters that have no place in one.")
        if len(value) > HEADER_CHARACTERS_MAX:
            raise InvalidRequest(f"The header {name} is longer than {HEADER_CHARACTERS_MAX} characters.")


def _next(url: URL, redirect: RedirectRefused) -> URL:
    try:
        target = url.join(URL(redirect.location))
    except ValueError:
        raise ForbiddenAddress("The server redirects to something that is not a URL.") from None
    same_host = target.raw_host == url.raw_host and target.scheme in (url.scheme, "https")
    if not same_host:
        raise redirect
    return check_url(target)
