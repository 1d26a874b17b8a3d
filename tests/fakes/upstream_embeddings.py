"""Answers OpenAI's embeddings: a vector of each input's length, so that tests know which is whose."""

import base64
import struct
from typing import Any

DIMENSIONS = 4
BYTES_PER_TOKEN = 4


def answer(request: dict[str, Any], *, usage: bool, floats: bool) -> dict[str, Any]:
    """The body of an answer. With `floats`, packed numbers are not understood, as by some servers."""
    given = request["input"]
    inputs = [given] if isinstance(given, str) or (given and isinstance(given[0], int)) else given
    packed = request.get("encoding_format") == "base64" and not floats
    dimensions = request.get("dimensions") or DIMENSIONS
    vectors = [vector_of(each, dimensions) for each in inputs]
    body = {
        "object": "list",
        "model": request["model"],
        "data": [
            {"object": "embedding", "index": index, "embedding": _packed(vector) if packed else vector}
            for index, vector in enumerate(vectors)
        ],
    }
    return body | ({"usage": {"prompt_tokens": sum(map(tokens_of, inputs)), "total_tokens": 0}} if usage else {})


def vector_of(said: str | list[int], dimensions: int) -> list[float]:
    """What stands for an input: its length, and noughts."""
    return [float(len(said)), *[0.0] * (dimensions - 1)]


def tokens_of(said: str | list[int]) -> int:
    """How many tokens are sold for an input."""
    return max(1, len(said) // BYTES_PER_TOKEN) if isinstance(said, str) else len(said)


def _packed(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
