"""Takes secrets out of text: by their form, by the names they stand under, and those of this installation as such."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

STARS: Final = "***"
SHORTEST: Final = 12
"""What is shorter may be a word."""

_NAMES: Final = (
    r"(?:api[-_]?key|secret|passw(?:or)?d|passphrase|passwd|pwd|token|authorization|credentials?|private[-_]?key"
    r"|access[-_]?key(?:[-_]?id)?|account[-_]?key|session(?:[-_]?id)?|signature)"
)
_START: Final = r"(?:\b|(?<=\\[nrt]))"
"""Where a word begins, also after what stands for the end of a line in JSON."""
_PARTS_OF_NAMES: Final = (
    "key",
    "secret",
    "pass",
    "pwd",
    "token",
    "authorization",
    "credential",
    "session",
    "signature",
)


@dataclass(frozen=True)
class _Rule:
    """`pattern` is only tried on text that holds one of `marks`, which are lower case."""

    marks: tuple[str, ...]
    pattern: re.Pattern[str]
    stars: str


_RULES: Final = (
    _Rule(
        ("private key",),
        re.compile(
            r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----(?:(?!-----END)[^\"'])*(?:-----END [A-Z0-9 ]*PRIVATE KEY-----)?"
        ),
        f"-----BEGIN PRIVATE KEY-----{STARS}",
    ),
    _Rule(("rb_",), re.compile(_START + r"rb_(live|test|pt)_[0-9A-Za-z]+(?:_[0-9A-Za-z]+)?"), rf"rb_\1_{STARS}"),
    _Rule(
        ("cookie",),
        re.compile(r"(cookie\b['\"\\]*\s*[:=,]\s*b?['\"\\]*)[^\"'\\\r\n]+", re.IGNORECASE),
        rf"\1{STARS}",
    ),
    _Rule(
        ("bearer", "basic"),
        re.compile(_START + r"(bearer|basic)((?:\s|%20)+)[\w.~+/=-]{6,}", re.IGNORECASE),
        rf"\1\2{STARS}",
    ),
    _Rule(("://",), re.compile(r"(://[^/\s:@\"']*):[^/\s@\"']+@"), rf"\1:{STARS}@"),
    _Rule(
        _PARTS_OF_NAMES,
        # A text in quotes, to its end, whatever is in it; quotes inside of JSON inside of JSON have backslashes.
        re.compile(rf"({_NAMES}\\*[\"']\s*[:=,]\s*b?)(\\*[\"'])(?!\2).{{1,1000}}?\2", re.IGNORECASE | re.DOTALL),
        rf"\1\2{STARS}\2",
    ),
    _Rule(
        _PARTS_OF_NAMES,
        re.compile(
            rf"({_NAMES}(?:\\*[\"']\s*[:=,]\s*b?\\*[\"']|\s*[:=]\s*b?\\*[\"']?))"
            r"(?!\s|\*\*\*|(?:bearer|basic)\b)[^\s\"'&,;)}\]>\\]{3,}",
            re.IGNORECASE,
        ),
        rf"\1{STARS}",
    ),
    _Rule(
        ("key=", "sig=", "code="), re.compile(r"([?&](?:key|sig|code)=)[^&\s\"'<>\\]+", re.IGNORECASE), rf"\1{STARS}"
    ),
    _Rule(
        ("sk-", "sk_", "rk_", "gsk_", "xai-", "hf_", "pplx-", "r8_", "nvapi-", "csk-", "tgp_", "whsec_", "glpat-"),
        re.compile(
            _START + r"(sk-|[sr]k_(?:live|test)_|gsk_|xai-|hf_|pplx-|r8_|nvapi-|csk-|tgp_|whsec_|glpat-)[\w-]{6,}"
        ),
        rf"\1{STARS}",
    ),
    _Rule(
        ("gh", "github_pat_", "xox"),
        re.compile(_START + r"(gh[pousr]_|github_pat_|xox[abeprs]-)[\w-]{10,}"),
        rf"\1{STARS}",
    ),
    _Rule(("aiza", "ya29."), re.compile(_START + r"(AIza|ya29\.)[\w-]{10,}"), rf"\1{STARS}"),
    _Rule(("akia", "asia"), re.compile(_START + r"(AKIA|ASIA)[A-Z0-9]{12,}\b"), rf"\1{STARS}"),
    _Rule(("eyj",), re.compile(_START + r"eyJ[\w-]{4,}\.[\w-]{4,}(?:\.[\w-]*)?"), f"eyJ{STARS}"),
)


class _Own:
    secrets: tuple[str, ...] = ()


def hide(secrets: Iterable[str]) -> None:
    """From now on these very values are taken out, wherever they stand."""
    _Own.secrets = tuple(sorted({one for one in secrets if len(one) >= SHORTEST}, key=len, reverse=True))


def redact(text: str) -> str:
    """The text with stars in place of secrets. Costs little where there is nothing that looks like one."""
    for secret in _Own.secrets:
        if secret in text:
            text = text.replace(secret, STARS)
    lowered = text.lower()
    for rule in _RULES:
        for mark in rule.marks:
            if mark in lowered:
                text = rule.pattern.sub(rule.stars, text)
                break
    return text
