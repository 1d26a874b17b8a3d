"""One attempt at one request: opens the connection, reads the stream, and always closes."""

import asyncio
from collections.abc import AsyncGenerator
from http import HTTPStatus

import aiohttp
import msgspec

import outbound
from skills.openai import failures
from skills.openai.embeddings import vectors_of
from skills.openai.sse import LINE_BYTES_MAX, Events, LineTooLong
from skills.openai.wire import Reply
from skills.sdk import Chunk, Embeddings, ModelUnreachable, Secret
from skills.sdk.circuits import Route
from skills.sdk.waiting import next_piece

ERROR_BYTES_MAX = 65_536
EMBEDDING_BYTES_MAX = 200_000_000
"""More than the largest number of the longest vectors take, written as numbers."""
AFTER_FINISH_SECONDS = 5.0
"""How long to wait for usage and an end once every choice has its reason to end."""
WIND_UP_SECONDS = 0.05
"""How long to wait for the connection's last bytes, so that it can be used again."""


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A request, ready to be sent as often as need be."""

    route: Route
    url: str
    body: bytes
    id: str
    secret: Secret | None
    choices: int
    connect_s: float
    first_byte_s: float
    idle_s: float
    total_s: float


async def attempt(call: Call) -> AsyncGenerator[Chunk]:
    """Send the request and yield the reply as it comes. Raises a ModelFailed."""
    ends_at = asyncio.get_running_loop().time() + call.total_s
    with failures.told():
        response, data = await _answered(call)
        try:
            reply, events = Reply(choices=call.choices), Events()
            if not _is_stream(response, data):
                whole = await _whole(response, data, call, ends_at=ends_at, bytes_max=LINE_BYTES_MAX)
                data = b"data: " + whole.translate(None, b"\r\n") + b"\n\n"
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


async def embedded(call: Call) -> AsyncGenerator[Embeddings]:
    """Send a request for embeddings and yield the answer, which comes whole. Raises a ModelFailed."""
    ends_at = asyncio.get_running_loop().time() + call.total_s
    with failures.told():
        response, first = await _answered(call)
        try:
            answer = await _whole(response, first, call, ends_at=ends_at, bytes_max=EMBEDDING_BYTES_MAX)
        except LineTooLong:
            raise ModelUnreachable("The model's provider sent more than its vectors can be.") from None
        finally:
            response.close()
    yield vectors_of(answer)


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
    headers = {"Content-Type": "application/json", "Accept": "text/event-stream", "Idempotency-Key": call.id}
    if call.secret is not None:
        headers["Authorization"] = f"Bearer {call.secret.reveal()}"
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
    return failures.refused(status=response.status, headers=response.headers, body=body, hidden=hidden)


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


async def _whole(
    response: aiohttp.ClientResponse, first: bytes, call: Call, *, ends_at: float, bytes_max: int
) -> bytes:
    """An answer that is no stream."""
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
