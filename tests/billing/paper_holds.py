"""What stands in the books on paper: holds, budgets, grants, groups of movements."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

Account = tuple[str, UUID | None]
"""A kind of account and whose it is; nobody's are the platform's."""
DEEPEST = 8


def platform(kind: str) -> Account:
    """An account of the platform."""
    return kind, None


@dataclass(eq=False, kw_only=True)
class Budget:
    """A limit. A new one begins with each period."""

    id: UUID
    organization: UUID
    scope: str
    subject: str
    limit: int
    hard: bool
    active: bool = True
    windows: list["Window"] = field(default_factory=list)


@dataclass(eq=False, kw_only=True)
class Window:
    """A period of a budget, and the holds without parents that count in it."""

    limit: int
    allowed: int | None
    over: bool = False
    roots: list["Hold"] = field(default_factory=list)

    @property
    def held(self) -> int:
        return sum(root.reserved for root in self.roots)

    @property
    def spent(self) -> int:
        return sum(root.spent + root.overruns for root in self.roots)

    @property
    def room(self) -> int:
        return self.limit - self.held - self.spent


@dataclass(eq=False, kw_only=True)
class Hold:
    """A charge, and what is reserved for it: nothing when its amount is 0."""

    id: UUID
    payer: UUID
    creator: UUID | None
    platform: bool
    amount: int
    kind: str = "run"
    named: UUID | None = None
    key: str | None = None
    idempotency_key: str | None = None
    parent: "Hold | None" = None
    children: list["Hold"] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)
    state: str = "open"
    accrued: tuple[int, int, int] = (0, 0, 0)
    asked: tuple[int, int, int] = (0, 0, 0)
    charged: int = 0
    overrun: int = 0
    creator_share: int = 0
    loss: int = 0
    lines: int = 0

    @property
    def is_free(self) -> bool:
        return self.state in ("free", "ended")

    @property
    def is_settled(self) -> bool:
        return self.state in ("settled", "late")

    @property
    def root(self) -> "Hold":
        return self.parent.root if self.parent else self

    @property
    def depth(self) -> int:
        return self.parent.depth + 1 if self.parent else 0

    @property
    def child_spent(self) -> int:
        """What those below have spent of it. What the wallet paid beyond their holds was never its own."""
        return sum(child.spent for child in self.children)

    @property
    def child_reserved(self) -> int:
        return sum(child.reserved for child in self.children)

    @property
    def spent(self) -> int:
        return self.child_spent + self.charged - self.overrun

    @property
    def reserved(self) -> int:
        """What stands aside for it, one step up."""
        return self.amount - self.child_spent if self.state == "open" else self.child_reserved

    @property
    def overruns(self) -> int:
        return self.overrun + sum(child.overruns for child in self.children)

    @property
    def room(self) -> int:
        """What is there for itself, or for a further child."""
        return self.amount - self.child_spent - self.child_reserved


@dataclass(eq=False, kw_only=True)
class Group:
    """What moved together: (from, to, amount); and so many days ago."""

    kind: str
    key: str
    lines: tuple[tuple[Account, Account, int], ...]
    hold: Hold | None = None
    reverses: "Group | None" = None
    days: int = 0


@dataclass(eq=False, kw_only=True)
class Lot:
    """A grant."""

    id: UUID
    organization: UUID
    amount: int
    paid: bool
    priority: int
    expires: int | None
    number: int
    state: str = "requested"
    used: int = 0
    due: bool = False

    @property
    def rank(self) -> tuple[int, float, bool, int]:
        """The order in which it is spent."""
        expires = -1.0 if self.due else float("inf") if self.expires is None else float(self.expires)
        return self.priority, expires, self.paid, self.number


@dataclass(kw_only=True)
class Wallet:
    """How a wallet stands; what is in it the journal says."""

    status: str = "open"
    credit_limit: int = 0


class Pots:
    """What is left of several limits while many ask for it, one after the other."""

    def __init__(self) -> None:
        self._left: dict[object, int] = {}

    def draw(self, amount: int, pots: Iterable[tuple[object, int]], *, partly: bool = False) -> int:
        """The same from each: all of it or nothing; partly: as much as all of them have."""
        named = [(pot, self._left.setdefault(pot, room)) for pot, room in pots]
        granted = min([amount, *(max(left, 0) for _, left in named)])
        if granted < amount and not partly:
            return 0
        for pot, left in named:
            self._left[pot] = left - granted
        return granted

    def grow(self, pot: object, amount: int) -> None:
        """More in a pot, if anybody draws from it."""
        if pot in self._left:
            self._left[pot] += amount

    def prepare(self, pots: Iterable[tuple[object, int]]) -> None:
        """What is in these before anybody draws."""
        for pot, room in pots:
            self._left.setdefault(pot, room)


def shares(hold: Hold, cost: int, markup: int, fee: int, *, is_platform: bool) -> tuple[int, int]:
    """What the creator and the platform are due, by the rules a tenant is told."""
    if hold.creator is None:
        return 0, fee + (cost + markup if is_platform else 0)
    if is_platform:
        return markup, cost + fee
    if hold.creator == hold.payer:
        return 0, fee
    return cost + markup, fee
