"""One attempt at one request of OpenAI's kind."""

from collections.abc import AsyncGenerator

from skills.openai.embeddings import vectors_of
from skills.openai.wire import Reply
from skills.sdk import Chunk, Embeddings, streaming

EMBEDDING_BYTES_MAX = 200_000_000
"""More than the largest number of the longest vectors take, written as numbers."""


class Call(streaming.Call, frozen=True, kw_only=True):
    """A request for so many replies."""

    choices: int = 1


def attempt(call: Call) -> AsyncGenerator[Chunk]:
    """Send the request and yield the reply as it comes. Raises a ModelFailed."""
    return streaming.streamed(call, Reply(choices=call.choices))


async def embedded(call: Call) -> AsyncGenerator[Embeddings]:
    """Send a request for embeddings and yield the answer, which comes whole. Raises a ModelFailed."""
    yield vectors_of(await streaming.whole(call, bytes_max=EMBEDDING_BYTES_MAX))
