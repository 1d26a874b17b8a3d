"""How much a model is given to read, before anybody has counted the tokens of it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

IMAGE_BYTES_MIN = 12_000
IMAGE_BYTES_MAX = 60_000
"""An image is taken for as many bytes as it has, within these bounds: what it comes to in tokens has nothing to do with
its address, and little with how well it was packed."""


def bytes_of(messages: Sequence[Mapping[str, Any]], *beside: Any) -> int:
    """The size of messages, and of what is sent beside them, such as tools and the form of the reply."""
    return (
        len(msgspec.json.encode(messages))
        + beyond_bytes(messages)
        + sum(len(msgspec.json.encode(each)) for each in beside if each is not None)
    )


def beyond_bytes(messages: Sequence[Mapping[str, Any]]) -> int:
    """How much more, or less, the images in messages are taken for than the bytes that they have."""
    sizes = (len(msgspec.json.encode(part)) for part in _images(messages))
    return sum(min(max(size, IMAGE_BYTES_MIN), IMAGE_BYTES_MAX) - size for size in sizes)


def _images(messages: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for message in messages:
        content = message.get("content")
        if isinstance(content, list):
            yield from (part for part in content if isinstance(part, Mapping) and part.get("type") == "image_url")
