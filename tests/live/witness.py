"""Reads along on the connection of an SDK, and holds every answer against OpenAI's types."""

from collections.abc import AsyncIterator, Iterator

import httpx

from tests.openai_types import complaints_about_stream, complaints_about_whole


class Witness:
    """Keeps the requests that a client sent and what was wrong with their answers.

    Answers that were not read to their end are not judged: whoever hangs up gets no `[DONE]`.
    """

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self.complaints: list[str] = []

    def judge(self, response: httpx.Response, body: bytes) -> None:
        """Note what is wrong with a whole answer."""
        path, kind = response.request.url.path, response.headers.get("content-type", "")
        if kind.startswith("text/event-stream"):
            found = complaints_about_stream(body)
        else:
            found = complaints_about_whole(path, response.status_code, body)
        self.complaints += [f"{path}: {complaint}" for complaint in found]


class WatchedTransport(httpx.HTTPTransport):
    """The way out of a client, with its witness; closing it raises what the witness complains about."""

    def __init__(self, witness: Witness) -> None:
        super().__init__()
        self._witness = witness

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._witness.requests.append(request)
        response = super().handle_request(request)
        response.request = request
        assert isinstance(response.stream, httpx.SyncByteStream)
        response.stream = _Watched(response, response.stream, self._witness)
        return response

    def close(self) -> None:
        super().close()
        assert self._witness.complaints == []


class AsyncWatchedTransport(httpx.AsyncHTTPTransport):
    """The same for an asynchronous client."""

    def __init__(self, witness: Witness) -> None:
        super().__init__()
        self._witness = witness

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._witness.requests.append(request)
        response = await super().handle_async_request(request)
        response.request = request
        assert isinstance(response.stream, httpx.AsyncByteStream)
        response.stream = _AsyncWatched(response, response.stream, self._witness)
        return response

    async def aclose(self) -> None:
        await super().aclose()
        assert self._witness.complaints == []


class _Watched(httpx.SyncByteStream):
    def __init__(self, response: httpx.Response, stream: httpx.SyncByteStream, witness: Witness) -> None:
        self._response = response
        self._stream = stream
        self._witness = witness

    def __iter__(self) -> Iterator[bytes]:
        pieces = []
        for piece in self._stream:
            pieces.append(piece)
            yield piece
        self._witness.judge(self._response, b"".join(pieces))

    def close(self) -> None:
        self._stream.close()


class _AsyncWatched(httpx.AsyncByteStream):
    def __init__(self, response: httpx.Response, stream: httpx.AsyncByteStream, witness: Witness) -> None:
        self._response = response
        self._stream = stream
        self._witness = witness

    async def __aiter__(self) -> AsyncIterator[bytes]:
        pieces = []
        async for piece in self._stream:
            pieces.append(piece)
            yield piece
        self._witness.judge(self._response, b"".join(pieces))

    async def aclose(self) -> None:
        await self._stream.aclose()
