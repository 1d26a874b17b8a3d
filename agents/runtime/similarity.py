"""A vector for a text, made here: its words and the pieces they are made of, counted in a fixed number of places.

The hashing trick (Weinberger et al., 2009) over words and the character trigrams within them, each weighted by the
logarithm of how often it stands there; fastText without the training. It finds texts that share words and the stems of
words, in any language, and knows nothing of their meaning.
"""

import math
import re
from collections import Counter
from hashlib import blake2b
from typing import Final

DIMENSIONS: Final = 256
NAME: Final = "ngrams-256"
"""Of this very way to make vectors: another way is another name, and the two are not compared."""

_WORD = re.compile(r"\w+")
_PIECE = 3
_WORD_WEIGHT = 2.0
_LONGEST = 20_000
"""Characters beyond these do not count."""


def vector_of(text: str) -> list[float]:
    """A vector of length 1, or of zeros for a text without a word."""
    places = [0.0] * DIMENSIONS
    for feature, times in _features(text[:_LONGEST].casefold()).items():
        digest = int.from_bytes(blake2b(feature.encode(errors="replace"), digest_size=8).digest(), "big")
        weight = _WORD_WEIGHT if feature[0] == "w" else 1.0
        sign = 1.0 if digest & 1 else -1.0
        places[(digest >> 1) % DIMENSIONS] += sign * weight * (1.0 + math.log(times))
    length = math.sqrt(sum(value * value for value in places))
    return [value / length for value in places] if length else places


def _features(text: str) -> Counter[str]:
    found: Counter[str] = Counter()
    for word in _WORD.findall(text):
        found[f"w{word}"] += 1
        framed = f"<{word}>"
        found.update(f"c{framed[at : at + _PIECE]}" for at in range(max(1, len(framed) - _PIECE + 1)))
    return found
