"""Counting against limits: how much of each is left of the time it is for, for every subject that asked lately."""

from collections import OrderedDict
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from math import inf
from typing import Final
from uuid import UUID

from tenants.limits import NO_LIMITS, Limits

PERIODS: Final = {
    "requests_per_second": 1.0,
    "requests_per_minute": 60.0,
    "requests_per_hour": 3_600.0,
    "requests_per_day": 86_400.0,
    "tokens_per_minute": 60.0,
    "reads_per_minute": 60.0,
}
MOST_SUBJECTS: Final = 20_000
"""Of each scope: as many as keys are known at once. Who has not asked for longest is forgotten first."""


class Window:
    """One limit of one subject. It opens with the first use and starts anew when its time is over.

    `granted` is how much of the limit this process may use: all of it or, where processes share it, what it was left.
    """

    __slots__ = ("ask_at", "ends_at", "granted", "key", "limit", "name", "others", "period_s", "scope", "turn", "used")

    def __init__(self, *, scope: str, name: str, limit: int, period_s: float, key: str | None) -> None:
        self.scope = scope
        self.name = name
        self.limit = limit
        self.period_s = period_s
        self.key = key
        """By what name processes share it; None when it is this process's alone."""
        self.used = self.granted = self.others = 0
        self.turn = 0
        """Counts how often it opened."""
        self.ends_at = -inf
        self.ask_at = inf
        """From when on it makes sense to ask others for more; what was met before then is the limit."""

    def room(self, now: float) -> int:
        """How much may be used without asking anybody."""
        if now >= self.ends_at:
            self._open(now)
        return self.granted - self.used

    def left(self, now: float) -> int:
        """How much is left for whoever asks next, as far as this process knows."""
        return self.limit if now >= self.ends_at else max(0, self.limit - self.others - self.used)

    def resets_in(self, now: float) -> float:
        """Seconds until all of it is there again."""
        return max(0.0, self.ends_at - now) if self.used or self.others else 0.0

    def use(self, amount: int) -> "Use":
        """Use so much of the room; what is answered may be corrected later."""
        self.used += amount
        return Use(window=self, amount=amount, turn=self.turn)

    def go_alone(self, part: int, *, until: float) -> None:
        """Grant this part of the limit, or one at least, while others cannot be asked."""
        self.granted = max(self.granted, part, 1)
        self.ask_at = until

    def become(self, limit: int) -> None:
        """Go on with another limit; what is used stays used."""
        self.limit = limit
        if self.key is None:
            self.granted = limit
        else:
            self.ask_at = -inf

    def _open(self, now: float) -> None:
        self.turn += 1
        self.used = self.others = 0
        self.ends_at = now + self.period_s
        if self.key is None:
            self.granted = self.limit
        else:
            self.granted, self.ask_at = 0, -inf


@dataclass(frozen=True, kw_only=True, slots=True)
class Use:
    """What was used of a window when it was open for the `turn`-th time."""

    window: Window
    amount: int
    turn: int

    def correct(self, amount: int) -> None:
        """It was so much instead. What was not used comes back while the window lasts; what came on top is counted."""
        if self.turn == self.window.turn or amount > self.amount:
            self.window.used += amount - self.amount


class Meter:
    """The windows of one subject: of its requests that run something, of those that do not, and of its tokens."""

    __slots__ = ("_windows", "limits", "reads", "requests", "tokens")

    def __init__(self) -> None:
        self.limits = NO_LIMITS
        self._windows: dict[str, Window] = {}
        self.follow(NO_LIMITS, scope="", shared_as=None)

    def follow(self, limits: Limits, *, scope: str, shared_as: str | None) -> None:
        """Count by these limits from now on; together with others by this name, or alone."""
        known, self._windows = self._windows, {}
        for name, limit in limits.said.items():
            if name not in PERIODS:
                continue
            window = known.get(name)
            if window is None:
                key = None if shared_as is None else f"{shared_as}:{name}"
                window = Window(scope=scope, name=name, limit=limit, period_s=PERIODS[name], key=key)
            elif window.limit != limit:
                window.become(limit)
            self._windows[name] = window
        self.requests = self._named("requests")
        self.reads = self._named("reads")
        self.tokens = self._named("tokens")
        self.limits = limits

    def __iter__(self) -> Iterator[Window]:
        return iter(self._windows.values())

    def _named(self, kind: str) -> tuple[Window, ...]:
        return tuple(window for window in self if window.name.startswith(kind))


class Meters:
    """The meters of all subjects of one scope. `is_shared`: processes count together what is begun from now on."""

    def __init__(self, scope: str, *, most: int = MOST_SUBJECTS, is_shared: bool = False) -> None:
        self.scope = scope
        self.is_shared = is_shared
        self._most = most
        self._kept: OrderedDict[Hashable, Meter] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def of(self, subject: Hashable, limits: Limits) -> Meter:
        """The meter of a subject, which follows these limits."""
        meter = self._kept.get(subject)
        if meter is None:
            meter = self._kept[subject] = Meter()
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)
        else:
            self._kept.move_to_end(subject)
        if meter.limits is not limits and meter.limits != limits:
            shared_as = f"{self.scope}:{shared_name(subject)}" if self.is_shared else None
            meter.follow(limits, scope=self.scope, shared_as=shared_as)
        return meter


def shared_name(subject: Hashable) -> str:
    """What processes call a subject among themselves: its id, or a digest of what it calls itself."""
    return str(subject) if isinstance(subject, UUID) else sha256(repr(subject).encode()).hexdigest()[:32]
