"""Reads answers whole, decoded, and never larger than asked for."""

import zlib
from collections.abc import Callable
from http import HTTPStatus

import aiohttp

from outbound.errors import TooLarge, Unreachable

_GZIP_BITS = 16 + zlib.MAX_WBITS
_DECODERS: dict[str, Callable[[], "zlib._Decompress"]] = {
    "gzip": lambda: zlib.decompressobj(_GZIP_BITS),
    "x-gzip": lambda: zlib.decompressobj(_GZIP_BITS),
    "deflate": zlib.decompressobj,
}


async def read(response: aiohttp.ClientResponse, *, max_bytes: int) -> bytes:
    """The body, decompressed; at most `max_bytes` of it are ever in memory. Raises TooLarge."""
    if (response.content_length or 0) > max_bytes:
        raise TooLarge(f"The answer is larger than {max_bytes} bytes.")
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    body = _Body(max_bytes=max_bytes, encoding=encoding)
    async for data in response.content.iter_any():
        body.add(data)
    if response.method == "HEAD" or response.status in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
        return b""
    return body.whole()


class _Body:
    def __init__(self, *, max_bytes: int, encoding: str) -> None:
        if encoding not in ("", "identity", *_DECODERS):
            raise Unreachable("The answer comes in an encoding that was not asked for.")
        self._max_bytes = max_bytes
        self._parts: list[bytes] = []
        self._size = 0
        self._new_decoder = _DECODERS.get(encoding)
        self._decoder = self._new_decoder() if self._new_decoder else None

    def add(self, data: bytes) -> None:
        if self._new_decoder is None:
            self._keep(data)
            return
        try:
            self._decode(data, self._new_decoder)
        except zlib.error:
            raise Unreachable("The answer is not encoded as it says.") from None

    def whole(self) -> bytes:
        if self._decoder is not None and not self._decoder.eof:
            raise Unreachable("The answer ended too early.")
        return b"".join(self._parts)

    def _decode(self, data: bytes, new_decoder: Callable[[], "zlib._Decompress"]) -> None:
        while data:
            if self._decoder is None or self._decoder.eof:
                self._decoder = new_decoder()
            self._keep(self._decoder.decompress(data, self._max_bytes - self._size + 1))
            data = self._decoder.unconsumed_tail or self._decoder.unused_data

    def _keep(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._max_bytes:
            raise TooLarge(f"The answer is larger than {self._max_bytes} bytes.")
        self._parts.append(data)
