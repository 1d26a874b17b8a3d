"""Names of tools and ids of calls in the form the Messages API takes, and back."""

import re
from collections.abc import Iterable
from hashlib import sha256

LONGEST = 128
_FORBIDDEN = re.compile(r"[^a-zA-Z0-9_-]")
_MARK_CHARACTERS = 8


class Names:
    """The tools of one request by the names they are sent under. Equal names stay equal, different ones different."""

    def __init__(self, names: Iterable[str]) -> None:
        self._sent = {name: sendable(name) for name in names}
        self._ours = {sent: name for name, sent in self._sent.items()}

    def sent(self, name: str) -> str:
        """What a tool is called there. Tools of earlier turns need not be offered any more."""
        return self._sent.get(name) or sendable(name)

    def ours(self, sent: str) -> str:
        """What a tool is called here."""
        return self._ours.get(sent, sent)


def sendable(word: str) -> str:
    """A name or id without forbidden characters; one that had to be changed carries a mark of what it was."""
    if word and len(word) <= LONGEST and not _FORBIDDEN.search(word):
        return word
    mark = sha256(word.encode(errors="replace")).hexdigest()[:_MARK_CHARACTERS]
    return f"{_FORBIDDEN.sub('_', word)[: LONGEST - _MARK_CHARACTERS - 1]}_{mark}"
