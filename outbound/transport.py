"""The safe client for libraries that bring httpx2: the same session, walls and limits, behind httpx2's interface."""

from collections.abc import AsyncIterator
from typing import Final

import aiohttp
import httpx2

from outbound.client import session, translated
from outbound.errors import OutboundError, OutboundTimeout
from outbound.policy import check_url

MOST_BYTES: Final = 20_000_000
"""Of one answer, streams of events included."""
_CHUNK: Final = 65_536
_CONNECT_S: Final = 10.0
_LEFT_OUT: Final = frozenset(("host", "content-length", "connection", "transfer-encoding", "accept-encoding"))


class SafeTransport(httpx2.AsyncBaseTransport):
    """Sends what httpx2 makes through the platform's session; redirects are refused, and nothing inside is reached."""

    def __init__(self, *, silence_s: float, most_bytes: int = MOST_BYTES) -> None:
        self._silence_s = silence_s
        self._most_bytes = most_bytes

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Ask, and answer as soon as the headers are there. Raises httpx2's own errors, which name no address."""
        headers = [(name, value) for name, value in request.headers.multi_items() if name.lower() not in _LEFT_OUT]
        limits = aiohttp.ClientTimeout(total=None, connect=_CONNECT_S, sock_read=self._silence_s)
        try:
            with translated():
                url = check_url(str(request.url))
                answer = await session().request(
                    request.method,
                    url,
                    headers=headers,
                    data=await request.aread() or None,
                    allow_redirects=False,
                    timeout=limits,
                )
        except OutboundTimeout as error:
            raise httpx2.ConnectTimeout(str(error), request=request) from error
        except OutboundError as error:
            raise httpx2.ConnectError(str(error), request=request) from error
        kept = [(name, value) for name, value in answer.headers.items() if name.lower() not in _LEFT_OUT]
        return httpx2.Response(answer.status, headers=kept, stream=_Body(answer, self._most_bytes), request=request)


class _Body(httpx2.AsyncByteStream):
    def __init__(self, answer: aiohttp.ClientResponse, most_bytes: int) -> None:
        self._answer = answer
        self._most_bytes = most_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        read = 0
        try:
            with translated():
                async for chunk in self._answer.content.iter_any():
                    read += len(chunk)
                    if read > self._most_bytes:
                        raise httpx2.ReadError(f"The server answered with more than {self._most_bytes} bytes.")
                    yield chunk
        except OutboundError as error:
            raise httpx2.ReadError(str(error)) from error

    async def aclose(self) -> None:
        self._answer.close()
