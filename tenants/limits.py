"""How much a caller may ask for in a time: the platform's defaults, what staff set instead, what members lowered."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from types import MappingProxyType
from typing import Final, Self, TypeAlias

from django.conf import settings

ORGANIZATION: Final = "organization"
KEY: Final = "key"
AGENT: Final = "agent"
END_USER: Final = "end_user"

EVERYBODY: Final = ""
"""The subject of a rule for every end user of an organization, and of the one rule for the organization itself."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """The most that is allowed of each; None allows any amount."""

    requests_per_second: int | None = None
    requests_per_minute: int | None = None
    requests_per_hour: int | None = None
    requests_per_day: int | None = None
    tokens_per_minute: int | None = None
    reads_per_minute: int | None = None
    max_parallel: int | None = None

    def over(self, other: "Limits") -> Self:
        """These where they say something, the other's where they do not."""
        return type(self)(**{name: _first(getattr(self, name), getattr(other, name)) for name in NAMES})

    def within(self, other: "Limits") -> Self:
        """The lower of each."""
        return type(self)(**{name: _lower(getattr(self, name), getattr(other, name)) for name in NAMES})

    @property
    def said(self) -> dict[str, int]:
        """Those that say something, by name."""
        return {name: value for name in NAMES if (value := getattr(self, name)) is not None}


NAMES: Final = tuple(each.name for each in fields(Limits))
NO_LIMITS: Final = Limits()

_Place: TypeAlias = tuple[str, str, bool]
"""Kind, subject, and whether staff set it."""


@dataclass(frozen=True, kw_only=True)
class CallerLimits:
    """What holds for one key: its own limits, those of all keys of its organization together, those of end users."""

    key: Limits = NO_LIMITS
    organization: Limits | None = None
    end_users: Mapping[str, Limits] = field(default_factory=lambda: MappingProxyType({}))

    def of_end_user(self, name: str | None) -> Limits | None:
        """The limits of one end user, if there are any: its own, or those of everybody without any of their own."""
        return None if name is None else self.end_users.get(name, self.end_users.get(EVERYBODY))


class Rules:
    """Rules of an organization, each by its kind, its subject, and whether staff set it.

    What staff set replaces the platform's default. What members set holds where it is lower: they cannot lift anything.
    """

    def __init__(self, rules: Mapping[_Place, Limits]) -> None:
        self._rules = rules

    @classmethod
    def told(cls, text: str) -> Self:
        """The rules in the JSON that the database's functions answer."""
        return cls(
            {
                (row["kind"], row["subject"], row["set_by_staff"]): Limits(**{name: row[name] for name in NAMES})
                for row in json.loads(text)
            }
        )

    def of(self, kind: str, subject: str, *, default: Limits) -> Limits:
        """What holds for one subject."""
        by_staff = self._rules.get((kind, subject, True), NO_LIMITS)
        by_members = self._rules.get((kind, subject, False), NO_LIMITS)
        return by_members.within(by_staff.over(default))

    def said_of(self, kind: str, subject: str) -> Limits | None:
        """What holds for a subject that is free by default; None when nobody said anything."""
        found = self.of(kind, subject, default=NO_LIMITS)
        return found if found.said else None

    def for_key(self, key_id: object) -> CallerLimits:
        """Everything that holds for whoever calls with this key."""
        return CallerLimits(
            key=self.of(KEY, str(key_id), default=default_limits()),
            organization=self.said_of(ORGANIZATION, EVERYBODY),
            end_users=_of_end_users(tuple(rule for rule in self._rules.items() if rule[0][0] == END_USER)),
        )


def default_limits() -> Limits:
    """What holds for a key of which nobody said anything."""
    environment = settings.ROBUTLER
    return Limits(
        requests_per_second=environment.requests_per_second,
        requests_per_minute=environment.requests_per_minute,
        requests_per_hour=environment.requests_per_hour,
        requests_per_day=environment.requests_per_day,
        tokens_per_minute=environment.tokens_per_minute,
        reads_per_minute=environment.reads_per_minute,
    )


@lru_cache(maxsize=256)
def _of_end_users(rules: tuple[tuple[_Place, Limits], ...]) -> Mapping[str, Limits]:
    """One mapping for all keys of an organization, however many of them are in use."""
    read = Rules(dict(rules))
    each = read.of(END_USER, EVERYBODY, default=NO_LIMITS)
    return MappingProxyType({subject: read.of(END_USER, subject, default=each) for (_, subject, _), _ in rules})


def _first(one: int | None, other: int | None) -> int | None:
    return other if one is None else one


def _lower(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else min(one, other)
