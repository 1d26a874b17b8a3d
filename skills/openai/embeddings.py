"""Asks for embeddings as OpenAI has them, and reads the answers of all who speak its language."""

import base64
import binascii
import struct
from typing import Any

import msgspec

from skills.sdk import EmbeddingRequest, Embeddings, ModelUnreachable
from skills.sdk.embedding import packed
from skills.sdk.providers import usage_of


class _Vector(msgspec.Struct, gc=False):
    embedding: str | list[float]
    index: int


class _Answer(msgspec.Struct, gc=False):
    data: list[_Vector]
    usage: dict[str, Any] | None = None


_decode = msgspec.json.Decoder(_Answer).decode


def embedding_body(request: EmbeddingRequest, *, model: str) -> bytes:
    """The request as JSON: numbers are asked for packed, which is a third of their size."""
    body: dict[str, Any] = {"model": model, "input": request.inputs, "encoding_format": "base64"}
    if request.dimensions is not None:
        body["dimensions"] = request.dimensions
    if request.end_user is not None:
        body["user"] = request.end_user
    return msgspec.json.encode(body)


def vectors_of(answer: bytes) -> Embeddings:
    """The vectors in an answer, in the order of their inputs. Raises ModelUnreachable for what is no answer."""
    try:
        read = _decode(answer)
        vectors = tuple(_vector(each.embedding) for each in sorted(read.data, key=lambda each: each.index))
    except (msgspec.DecodeError, UnicodeDecodeError, binascii.Error, struct.error):
        raise ModelUnreachable("The model's provider sent an answer that is not readable.") from None
    if [each.index for each in sorted(read.data, key=lambda each: each.index)] != list(range(len(vectors))):
        raise ModelUnreachable("The model's provider did not embed every input.")
    told = None if read.usage is None else {"completion_tokens": 0, **read.usage}
    return Embeddings(vectors=vectors, usage=usage_of(told, spoke=False))


def _vector(told: str | list[float]) -> bytes:
    """Some servers do not know of packing, and send numbers."""
    if not isinstance(told, str):
        return packed(told)
    vector = base64.b64decode(told, validate=True)
    if not vector or len(vector) % 4:
        raise struct.error
    return vector
