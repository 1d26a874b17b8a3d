"""One attempt at one request to a model's provider over HTTP: opens, reads the events of the answer, always closes."""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping
from http import HTTPStatus
from typing import Literal, Protocol

import aiohttp
import msgspec

import outbound
from skills.sdk import http_failures
from skills.sdk.circuits import Route
from skills.sdk.errors import ModelUnreachable
from skills.sdk.model import Chunk
from skills.sdk.secret import Secret
from skills.sdk.sse import LINE_BYTES_MAX, Events, LineTooLong
from skills.sdk.usage import Usage
from skills.sdk.waiting import next_piece

ERROR_BYTES_MAX = 65_536
AFTER_FINISH_SECONDS = 5.0
"""How long to wait for usage and an end once every choice has its reason to end."""
WIND_UP_SECONDS = 0.05
"""How long to wait for the connection's last bytes, so that it can be used again."""


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A request, ready to be sent as often as need be. Without a `secret` it is sent without a key."""

    route: Route
    url: str
    body: bytes
    headers: Mapping[str, str]
    secret: Secret | None
    key_header: Literal["Authorization", "x-api-key"] = "Authorization"
    connect_s: float
    first_byte_s: float
    idle_s: float
    total_s: float


class Reply(Protocol):
    """A reply being read: what a provider's language makes of events."""

    @property
    def done(self) -> bool:
        """The provider said that this was all."""

    @property
    def complete(self) -> bool:
        """Every choice has its reason to end."""

    def read(self, data: bytes) -> Iterator[Chunk]:
        """The chunks in one event's data, or in a whole answer. Raises a ModelFailed."""

    def usage(self) -> Usage | None:
        """The usage, once everything is read. Raises ModelUnreachable when the reply is not whole."""


async def streamed(call: Call, reply: Reply) -> AsyncGenerator[Chunk]:
    """Send the request and yield the reply as it comes; one that comes whole is read as one event.

    Raises a ModelFailed.
    """
    ends_at = asyncio.get_running_loop().time() + call.total_s
    with http_failures.told():
        response, data = await _answered(call)
        try:
            events = Events()
            if not _is_stream(response, data):
                answer = await _rest(response, data, call, ends_at=ends_at, bytes_max=LINE_BYTES_MAX)
                data = b"data: " + answer.translate(None, b"\r\n") + b"\n\n"
            while True:
                for event in events.feed(data) if data else events.end():
                    for chunk in reply.read(event):
                        yield chunk
                if reply.done or not data:
                    break
                data = await _more(response, reply, idle_s=call.idle_s, ends_at=ends_at)
            if (usage := reply.usage()) is not None:
                yield Chunk(usage=usage)
            await _wind_up(response)
        except LineTooLong:
            raise ModelUnreachable("The model's provider sent more at once than a reply can be.") from None
        finally:
            response.close()


async def whole(call: Call, *, bytes_max: int) -> bytes:
    """Send the request and answer with the body of an answer that is no stream. Raises a ModelFailed."""
    ends_at = asyncio.get_running_loop().time() + call.total_s
    with http_failures.told():
        response, first = await _answered(call)
        try:
            return await _rest(response, first, call, ends_at=ends_at, bytes_max=bytes_max)
        except LineTooLong:
            raise ModelUnreachable("The model's provider sent more than its answer can be.") from None
        finally:
            response.close()


async def _answered(call: Call) -> tuple[aiohttp.ClientResponse, bytes]:
    """The response, if it is a good one, and what came first."""
    async with asyncio.timeout(min(call.first_byte_s, call.total_s)):
        response = await _post(call)
        try:
            if response.status != HTTPStatus.OK:
                raise await _refusal(response, call)
            if response.headers.get("Content-Encoding", "identity").lower() != "identity":
                raise ModelUnreachable("The model's provider sent an encoding that was not asked for.")
            return response, await response.content.readany()
        except BaseException:
            response.close()
            raise


async def _post(call: Call) -> aiohttp.ClientResponse:
    headers = {"Content-Type": "application/json", "Accept": "text/event-stream", **call.headers}
    if call.secret is not None:
        scheme = "Bearer " if call.key_header == "Authorization" else ""
        headers[call.key_header] = f"{scheme}{call.secret.reveal()}"
    timeout = aiohttp.ClientTimeout(total=None, connect=call.connect_s, sock_connect=call.connect_s)
    return await outbound.session().post(
        outbound.check_url(call.url), data=call.body, headers=headers, timeout=timeout, allow_redirects=False
    )


async def _refusal(response: aiohttp.ClientResponse, call: Call) -> Exception:
    try:
        body = await outbound.read(response, max_bytes=ERROR_BYTES_MAX)
    except outbound.OutboundError:
        body = b""
    hidden = call.secret.reveal() if call.secret else ""
    return http_failures.refused(status=response.status, headers=response.headers, body=body, hidden=hidden)


async def _more(response: aiohttp.ClientResponse, reply: Reply, *, idle_s: float, ends_at: float) -> bytes:
    """What came next; nothing at the end. A provider that has said it all need not end well."""
    patience = min(AFTER_FINISH_SECONDS, idle_s) if reply.complete else idle_s
    try:
        limit = next_piece(patience, ends_at=ends_at)
        if ready := response.content.read_nowait():
            return ready
        async with limit:
            return await response.content.readany()
    except (TimeoutError, aiohttp.ClientError):
        if reply.complete:
            return b""
        raise


def _is_stream(response: aiohttp.ClientResponse, first: bytes) -> bool:
    return response.content_type == "text/event-stream" or not first.lstrip().startswith(b"{")


async def _rest(response: aiohttp.ClientResponse, first: bytes, call: Call, *, ends_at: float, bytes_max: int) -> bytes:
    """All of an answer that is no stream. Raises LineTooLong."""
    parts, size = [first], len(first)
    while not response.content.at_eof():
        async with next_piece(call.idle_s, ends_at=ends_at):
            parts.append(await response.content.readany())
        size += len(parts[-1])
        if size > bytes_max:
            raise LineTooLong
    return b"".join(parts)


async def _wind_up(response: aiohttp.ClientResponse) -> None:
    try:
        async with asyncio.timeout(WIND_UP_SECONDS):
            while not response.content.at_eof():
                await response.content.readany()
    except (TimeoutError, aiohttp.ClientError):
        response.close()
