"""The truth about what the fake upstream sold: on disk before the buyer has it, whatever becomes of the buyer."""

import os
from collections import defaultdict
from pathlib import Path


class Truth:
    """Appends a line for every time that something is sold: which request, its order, and its tokens so far."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._sworn: dict[int, int] = {}

    def swear(self, request: int, order: str, tokens: int) -> None:
        """Have it on disk that so many tokens of a request are sold by now."""
        if tokens > self._sworn.get(request, 0):
            self._sworn[request] = tokens
            os.write(self._file, f"{request} {tokens} {order}\n".encode())
            os.fdatasync(self._file)


def sold(path: Path) -> dict[str, int]:
    """How many tokens were sold to each order, all its requests together."""
    most: dict[tuple[str, str], int] = defaultdict(int)
    for line in path.read_text().splitlines():
        request, tokens, order = line.split(" ", 2)
        most[request, order] = max(most[request, order], int(tokens))
    of_order: dict[str, int] = defaultdict(int)
    for (_, order), sum_so_far in most.items():
        of_order[order] += sum_so_far
    return dict(of_order)
