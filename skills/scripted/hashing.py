"""Vectors without a model: hashed words and pieces of words, so that texts with words in common are near each other."""

import math
from array import array
from collections.abc import Iterator
from hashlib import blake2b
from unicodedata import normalize

from skills.sdk import EmbeddingInput
from skills.sdk.embedding import packed

DIMENSIONS = 256
PIECE = 3
"""Pieces of words have so many characters."""
_WORD_WEIGHT = 2.0


def vector_of(said: EmbeddingInput, *, dimensions: int) -> bytes:
    """A vector of length 1, the same for the same input on every machine."""
    numbers = array("d", bytes(8 * dimensions))
    for feature, weight in _features(said):
        digest = int.from_bytes(blake2b(feature.encode(errors="replace"), digest_size=8).digest(), "big")
        numbers[(digest >> 1) % dimensions] += weight if digest & 1 else -weight
    length = math.sqrt(sum(number * number for number in numbers))
    if not length:
        numbers[0] = length = 1.0
    return packed([number / length for number in numbers])


def _features(said: EmbeddingInput) -> Iterator[tuple[str, float]]:
    """Words count for more than their pieces; tokens are words of a language of their own."""
    if not isinstance(said, str):
        yield from ((f"token {number}", _WORD_WEIGHT) for number in said)
        return
    for word in normalize("NFKC", said).casefold().split():
        yield f"word {word}", _WORD_WEIGHT
        edged = f"<{word}>"
        yield from ((f"piece {edged[at : at + PIECE]}", 1.0) for at in range(len(edged) - PIECE + 1))
