"""Where a client sits: the server it talks to, its keys, and the agents that are there for it."""

import json
import os
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, kw_only=True)
class Seat:
    """What a client's cases are given.

    The agents, by what they do: `persona` is a small model that uses tools, fits schemas and answers questions; `echo`
    repeats what it is told, from a provider behind us; `slow` takes its time over a hundred words; `broken` dies in the
    middle of a stream; `crowded` has no capacity.
    """

    url: str
    key: str
    wrong_key: str
    poor_key: str
    persona: str
    echo: str
    slow: str
    broken: str
    crowded: str

    @classmethod
    def taken(cls) -> Self:
        """The seat that this process was started for."""
        return cls(**json.loads(os.environ["ROBUTLER_SEAT"]))
