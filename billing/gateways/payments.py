"""What gateways answer, whichever company it is. Amounts are whole nanodollars."""

from dataclasses import dataclass
from typing import Literal

Standing = Literal["pending", "paid", "failed", "canceled"]
About = Literal["payment", "dispute", ""]


@dataclass(frozen=True, kw_only=True)
class Page:
    """Where a top-up can be paid, and the gateway's name for it."""

    external_id: str
    url: str


@dataclass(frozen=True, kw_only=True)
class Fee:
    """What a gateway keeps of a payment. No amount is one in another currency."""

    amount_nanos: int | None


@dataclass(frozen=True, kw_only=True)
class Payment:
    """A payment as the gateway's own record has it. No amount is one in another currency; no fee, not known yet."""

    external_id: str
    standing: Standing
    amount_nanos: int | None
    payment_id: str | None
    fee: Fee | None = None


@dataclass(frozen=True, kw_only=True)
class Dispute:
    """A bank's claim on a payment. It `takes_money` once the gateway has given the money back."""

    id: str
    payment_id: str
    amount_nanos: int | None
    reason: str
    takes_money: bool


@dataclass(frozen=True, kw_only=True)
class Event:
    """A signed message: what happened to which object. `about` is empty for what is of no concern."""

    id: str
    kind: str
    about: About
    object_id: str
    body: str
