"""What guardrails look for: shapes of personal data and of secrets, checked where a check exists, and owners' phrases.

Every pattern is bounded, so that looking takes a time that grows with the text and no more, and so that it is known how
much has to be held back for a match to be seen whole.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["email", "phone", "iban", "card", "ip", "secret", "phrase"]

LONGEST: Final = 256
"""No match has more characters."""
_MOST_WILD: Final = 2

_SHAPES: Final[dict[Kind, str]] = {
    "email": r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,40}(?:\.[\w-]{1,40}){1,3}",
    "phone": r"(?<![\w+])(?:\+|00)[1-9](?:[ ().-]{0,2}\d){6,14}(?!\d)",
    "iban": r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?!\w)",
    "card": r"(?<![\d-])\d(?:[ -]?\d){12,18}(?![\d-])",
    "ip": r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.]\d)",
    "secret": r"(?<!\w)(?:sk-|pk-|rb_|ghp_|gho_|github_pat_|xox[abp]-|AKIA|AIza|glpat-)[\w-]{12,200}",
}
PRIVATE_KEY: Final = re.compile(r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----")
"""How a key begins that is too long to be held back: whoever says this says nothing more."""


@dataclass(frozen=True, kw_only=True)
class Match:
    """Something that was found, and where."""

    kind: Kind
    start: int
    end: int


class Rules:
    """Kinds and phrases to look for. In a phrase, `*` stands for letters and digits."""

    def __init__(self, kinds: Sequence[Kind], phrases: Sequence[str]) -> None:
        self._patterns: list[tuple[Kind, re.Pattern[str]]] = [
            (kind, re.compile(_SHAPES[kind])) for kind in kinds if kind in _SHAPES
        ]
        if phrases:
            self._patterns.append(("phrase", re.compile("|".join(map(_phrase, phrases)), re.IGNORECASE)))

    def find(self, text: str) -> list[Match]:
        """What the text contains, in order; of two that overlap, the one that begins first."""
        found = sorted(self._all(text), key=lambda match: (match.start, -match.end))
        kept: list[Match] = []
        for match in found:
            if not kept or match.start >= kept[-1].end:
                kept.append(match)
        return kept

    def _all(self, text: str) -> Iterator[Match]:
        for kind, pattern in self._patterns:
            is_real = _CHECKS.get(kind)
            for found in pattern.finditer(text):
                if is_real is None or is_real(found[0]):
                    yield Match(kind=kind, start=found.start(), end=found.end())


def redacted(text: str, matches: Sequence[Match]) -> str:
    """The text with a word in brackets in the place of each match."""
    pieces, at = [], 0
    for match in matches:
        pieces += [text[at : match.start], f"[{match.kind}]"]
        at = match.end
    return "".join((*pieces, text[at:]))


def is_phrase(text: str) -> bool:
    """Whether a phrase can be looked for."""
    return 0 < len(text.strip()) <= LONGEST // 2 and text.count("*") <= _MOST_WILD and text.strip("* ") != ""


def _phrase(text: str) -> str:
    words = r"\s{1,4}".join(re.escape(word) for word in text.split())
    return rf"(?<!\w){words}(?!\w)".replace(r"\*", r"\w{0,32}")


def _luhn(text: str) -> bool:
    """ISO/IEC 7812-1, annex B."""
    digits = [int(each) for each in text if each.isdigit()][::-1]
    return sum(digits[::2]) % 10 == -sum(sum(divmod(2 * each, 10)) for each in digits[1::2]) % 10


def _mod97(text: str) -> bool:
    """ISO 13616: the rest that an IBAN's check digits leave."""
    plain = text.replace(" ", "")
    return int("".join(str(int(each, 36)) for each in plain[4:] + plain[:4])) % 97 == 1


def _octets(text: str) -> bool:
    return all(int(each) < 256 for each in text.split("."))


_CHECKS: Final[dict[Kind, Callable[[str], bool]]] = {"card": _luhn, "iban": _mod97, "ip": _octets}
