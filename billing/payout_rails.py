"""How payouts leave the platform: what a payment provider is asked, and what it may answer."""

from dataclasses import dataclass
from typing import Literal, Protocol

from django.conf import settings
from django.utils.module_loading import import_string

Outcome = Literal["accepted", "paid", "failed", "returned"]


@dataclass(frozen=True, kw_only=True)
class Destination:
    """Where a creator wants the money: a bank account, by its number (IBAN or local) and the code of its bank."""

    holder: str
    number: str
    bank_code: str = ""
    country: str = ""


@dataclass(frozen=True, kw_only=True)
class Order:
    """A payout to be sent. Whoever is asked twice by the same `key` sends once, and answers the same."""

    key: str
    amount_cents: int
    destination: Destination
    text: str
    currency: str = "USD"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What became of it. `code` says why it failed or came back, in one word."""

    outcome: Outcome
    external_ref: str | None = None
    fee_nanos: int = 0
    code: str = ""


class RailUnreachable(Exception):
    """Nobody knows whether the money was sent: the same question is asked again later."""


class PayoutRail(Protocol):
    """A payment provider. Both methods raise RailUnreachable when they do not know."""

    def send(self, order: Order) -> Answer:
        """Send the money, once per key."""

    def look(self, *, key: str, external_ref: str) -> Answer:
        """What has become of what was accepted."""


def configured_rail() -> PayoutRail | None:
    """The provider that this installation pays through; None where people do it by hand."""
    name = settings.ROBUTLER.payout_gateway
    return import_string(name)() if name else None
