"""Gateways: the companies that collect payments for the platform, one module each, all with the same few questions."""

from typing import Protocol
from uuid import UUID

from django.conf import settings

from billing.errors import NoGateway
from billing.gateways.payments import Dispute, Event, Fee, Page, Payment
from billing.gateways.stripe import Stripe

__all__ = ["Dispute", "Event", "Fee", "Gateway", "Page", "Payment", "gateway"]


class Gateway(Protocol):
    """What a gateway is asked. Trying again does nothing twice.

    Each may raise GatewayRefused: GatewayAway where it does not answer, PaymentUnknown where it knows of no such thing.
    """

    @property
    def rail(self) -> str:
        """Its name in the books."""

    def open_page(self, *, top_up_id: UUID, amount_nanos: int, return_url: str) -> Page:
        """A page on which this top-up can be paid; the same one however often it is asked for."""

    def payment(self, external_id: str) -> Payment:
        """How a payment stands now."""

    def close_page(self, external_id: str) -> None:
        """Let nobody pay on this page any more. Raises GatewayRefused for one that was completed."""

    def payment_of(self, payment_id: str) -> Payment | None:
        """The same by the payment's own name; None for one that is not of a page of ours."""

    def dispute(self, dispute_id: str) -> Dispute:
        """How a dispute stands now."""

    def read_event(self, body: bytes, *, signature: str, now: float) -> Event:
        """A message as it was signed. Raises ForgedEvent, StaleEvent."""


def gateway(rail: str = "stripe") -> Gateway:
    """The gateway of this rail. Raises NoGateway where the operator has set up none."""
    environment = settings.ROBUTLER
    if rail != "stripe" or not environment.stripe_secret_key or not environment.stripe_webhook_secret:
        raise NoGateway("Nobody collects payments here: ask the operator of this platform to enter your money.")
    return Stripe(
        secret_key=environment.stripe_secret_key,
        webhook_secret=environment.stripe_webhook_secret,
        api_url=environment.stripe_api_url,
    )
