"""How the runtime asks a model for vectors: texts or tokens in, one vector each out."""

import struct
from collections.abc import Sequence
from typing import TypeAlias

import msgspec

from skills.sdk.usage import Usage

EmbeddingInput: TypeAlias = str | list[int]
"""A text, or the numbers of its tokens as the model's own tokenizer has them."""


class EmbeddingRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One call of an embedding model. `dimensions` is the length of the vectors, None for the model's own."""

    model: str
    inputs: Sequence[EmbeddingInput]
    dimensions: int | None = None
    end_user: str | None = None


class Embeddings(msgspec.Struct, frozen=True, kw_only=True):
    """One vector for each input, in order, as packed little-endian 32-bit floats: OpenAI's own form, before base64.

    `usage` is None where the provider did not say, or said what cannot be.
    """

    vectors: tuple[bytes, ...]
    usage: Usage | None = None


def packed(values: Sequence[float]) -> bytes:
    """A vector as packed little-endian 32-bit floats. Raises struct.error for what is none."""
    return struct.pack(f"<{len(values)}f", *values)


def unpacked(vector: bytes) -> list[float]:
    """The numbers of a packed vector."""
    return list(struct.unpack(f"<{len(vector) // 4}f", vector))
