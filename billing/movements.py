"""Movements that people ask for: how the ledger is asked, what its refusals mean, and that it is written down."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connections, models

from billing.amounts import NANOS_PER_DOLLAR, dollars
from billing.errors import MovementConflict, MovementNotFound, MovementRefused, NoWallet
from billing.rating import MOST_NANOS
from tenants import audit
from tenants.context import PLATFORM, atomic, platform_context

REFUSALS = {
    "too_much": "That is more than there is left of it.",
    "insufficient": "The account that it would be taken from does not have so much.",
    "closed": "The wallet is closed.",
    "same_person": "Whoever asked for it cannot approve it: that takes a second person.",
    "reversed": "It was reversed already.",
    "irreversible": "This kind of movement has a way back of its own; it is not reversed.",
    "returned": "This top-up has gone back already, or never was credited.",
    "refunded": "Something of it was refunded; refund the rest instead.",
    "not_a_debt": "Only what a wallet or a creator owes is written off, at the platform's expense.",
    "expired": "Its time is over already.",
    "not_empty": "The wallet still has money or open holds; only an empty one is closed.",
    "in_use": "So much of the credit limit is in use that it cannot be less.",
    "limit": "The amount must be more than 0 and is more than the books can take.",
    "disputed_already": "It is disputed already: wait for the decision.",
    "nothing_charged": "Nothing was charged for it that could still be given back.",
    "canceled": "It was canceled.",
    "failed": "It has failed.",
    "disputed": "A bank has taken it back.",
}


def alone(whole_dollars: int) -> int:
    """What one person may move without a second, in nanodollars."""
    return whole_dollars * NANOS_PER_DOLLAR


def ask(function: str, *values: Any) -> str:
    """The answer of one of the ledger's functions; within platform work."""
    places = ", ".join(["%s"] * len(values))
    with connections[PLATFORM].cursor() as cursor:
        cursor.execute(f"SELECT {function}({places})", values)
        (answer,) = cursor.fetchone()
    return str(answer)


def working(reason: str) -> AbstractContextManager[Any]:
    """One transaction of staff's or of a task's, across organizations."""
    stack = ExitStack()
    stack.enter_context(platform_context(reason=reason[:500]))
    stack.enter_context(atomic())
    return stack


@dataclass(frozen=True, kw_only=True)
class Kind:
    """Movements of a kind: their rows, the states that an answer may name, the one that waits for a second person, and
    what the audit log keeps of one.
    """

    model: type[models.Model]
    what: str
    decides: str
    states: tuple[str, ...]
    waiting: str
    note: Callable[[Any, str], None]

    def enter(self, function: str, id: UUID, *values: Any, reason: str, what: str = "") -> str:
        """Ask the ledger for one, which moves once per id, and write down a new one; answers its state."""
        with working(reason):
            is_new = not self._rows(id).exists()
            state = expect(ask(function, id, *values), done=self.states, what=what or self.what, id=id)
            if is_new:
                self.note(self._rows(id).get(), state)
        return state

    def decide(self, *, id: UUID, approve: bool, actor: str) -> str:
        """A second person's word on one that awaits it; who comes later is told how it ended."""
        with working(f"decide about a movement: {self.what}"):
            waits = self._rows(id).filter(state=self.waiting).exists()
            state = expect(ask(self.decides, id, approve, actor), done=self.states, what=self.what, id=id)
            if waits:
                self.note(self._rows(id).get(), state)
        return state

    def _rows(self, id: UUID) -> models.QuerySet[Any]:
        return self.model._default_manager.filter(pk=id)


def expect(outcome: str, *, done: tuple[str, ...], what: str, id: UUID) -> str:
    """The outcome if it is one of those that mean it was done; else the exception that says why not."""
    if outcome in done:
        return outcome
    if outcome == "conflict":
        raise MovementConflict(f"The id {id} is taken by another {what}.")
    if outcome == "unknown":
        raise MovementNotFound(f"There is no such {what}.")
    if outcome == "no_wallet":
        raise NoWallet("There is no wallet of this organization.")
    raise MovementRefused(REFUSALS.get(outcome, f"It is {outcome} already."), outcome=outcome)


def check_amount(amount_nanos: int, *, least: int = 1) -> None:
    """Raise MovementRefused for an amount that is none."""
    if not least <= amount_nanos <= MOST_NANOS:
        raise MovementRefused(
            f"An amount is at least {dollars(least)} and at most {dollars(MOST_NANOS)}.", outcome="invalid_amount"
        )


def check_words(**words: str) -> None:
    """Raise MovementRefused unless each of these says something: staff moves no money without a reason."""
    for name, said in words.items():
        if not said.strip():
            raise MovementRefused(f"The {name} is missing: say why, for whoever reads the books.", outcome="no_reason")


def note(action: str, row: models.Model | None, *, organization_id: UUID | None, **detail: Any) -> None:
    """Keep in the audit log who did it, and what."""
    shown: Mapping[str, Any] = {name: str(value) for name, value in detail.items() if value not in (None, "")}
    audit.record(action=action, object=row, organization_id=organization_id, detail=shown)
