"""Stripe: a Checkout page for each top-up, its own record as the truth, and messages signed over their bytes."""

import asyncio
import base64
import hmac
import json
import re
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final
from urllib.parse import quote, urlencode
from uuid import UUID

import outbound
from billing.amounts import NANOS_PER_DOLLAR
from billing.errors import ForgedEvent, GatewayAway, GatewayRefused, PaymentUnknown, StaleEvent
from billing.gateways.payments import About, Dispute, Event, Fee, Page, Payment, Standing

NANOS_PER_CENT: Final = NANOS_PER_DOLLAR // 100
ANSWER_SECONDS: Final = 15.0
ANSWER_BYTES: Final = 500_000
FRESH_SECONDS: Final = 300
"""A message that is older, or as far in the future, may be somebody's copy."""
VERSION: Final = "2024-06-20"
"""Of Stripe's interface: what follows is written for this one, whatever the account's own is."""
TOO_MANY: Final = 429
NOT_FOUND: Final = 404
_EXPANDED: Final = urlencode({"expand[]": "payment_intent.latest_charge.balance_transaction"})
_FAILED: Final = frozenset({"requires_payment_method", "canceled"})
_ID: Final = re.compile(r"[a-zA-Z0-9_]{1,200}")
_ABOUT: Final[dict[str, About]] = {"checkout.session": "payment", "dispute": "dispute"}


@dataclass(frozen=True, kw_only=True)
class Stripe:
    """An account at Stripe, by its keys. Nothing of it is kept: the database has what counts."""

    secret_key: str = field(repr=False)
    webhook_secret: str = field(repr=False)
    api_url: str
    rail: ClassVar = "stripe"

    def open_page(self, *, top_up_id: UUID, amount_nanos: int, return_url: str) -> Page:
        """A Checkout session. Stripe answers the same one for the same top-up, within a day."""
        cents, rest = divmod(amount_nanos, NANOS_PER_CENT)
        if rest:
            raise GatewayRefused("Cards pay whole cents.")
        form = {
            "mode": "payment",
            "client_reference_id": str(top_up_id),
            "success_url": return_url,
            "cancel_url": return_url,
            "line_items[0][quantity]": "1",
            "line_items[0][price_data][currency]": "usd",
            "line_items[0][price_data][unit_amount]": str(cents),
            "line_items[0][price_data][product_data][name]": "Credit",
        }
        made = self._ask("POST", "/v1/checkout/sessions", form, key=str(top_up_id))
        if not isinstance(made.get("url"), str):
            raise GatewayRefused("The payment company has no page for this payment any more: begin a new top-up.")
        return Page(external_id=_id(made), url=made["url"])

    def payment(self, external_id: str) -> Payment:
        """A session as it stands, with its charge and what that cost."""
        return _payment(self._ask("GET", f"/v1/checkout/sessions/{quote(external_id, safe='')}?{_EXPANDED}"))

    def close_page(self, external_id: str) -> None:
        """Expire a session."""
        self._ask("POST", f"/v1/checkout/sessions/{quote(external_id, safe='')}/expire", {}, key=f"close:{external_id}")

    def payment_of(self, payment_id: str) -> Payment | None:
        """The session that a payment intent was made by."""
        found = self._ask("GET", f"/v1/checkout/sessions?{urlencode({'payment_intent': payment_id, 'limit': 1})}")
        rows = found.get("data")
        return self.payment(_id(rows[0])) if isinstance(rows, list) and rows else None

    def dispute(self, dispute_id: str) -> Dispute:
        """A dispute as it stands; an inquiry that has not become one takes nothing."""
        found = self._ask("GET", f"/v1/disputes/{quote(dispute_id, safe='')}")
        return Dispute(
            id=_id(found),
            payment_id=str(found.get("payment_intent") or ""),
            amount_nanos=_nanos(found.get("amount"), found.get("currency")),
            reason=str(found.get("reason") or "disputed"),
            takes_money=str(found.get("status", "")) in {"needs_response", "under_review", "lost"},
        )

    def read_event(self, body: bytes, *, signature: str, now: float) -> Event:
        """Compare the signature over the bytes as they came, then the time, and only then look inside."""
        signed_at, claimed = _parts(signature)
        wanted = hmac.new(self.webhook_secret.encode(), f"{signed_at}.".encode() + body, "sha256").hexdigest()
        if not any(hmac.compare_digest(wanted.encode(), each.encode()) for each in claimed):
            raise ForgedEvent("The signature does not belong to this message.")
        if abs(now - int(signed_at)) > FRESH_SECONDS:
            raise StaleEvent("The message is too old; it is not taken any more.")
        try:
            told = json.loads(body)
            thing = told["data"]["object"]
            about = _ABOUT.get(str(thing.get("object")), "")
            object_id = _id(thing) if about else str(thing.get("id") or "")[:200]
            return Event(
                id=_id(told), kind=str(told["type"])[:64], about=about, object_id=object_id, body=body.decode()
            )
        except (ValueError, KeyError, TypeError, AttributeError, GatewayRefused):
            raise ForgedEvent("The message is signed, but is none of ours.") from None

    def _ask(self, method: str, path: str, form: dict[str, str] | None = None, *, key: str = "") -> dict[str, Any]:
        token = base64.b64encode(f"{self.secret_key}:".encode()).decode()
        headers = {"Authorization": f"Basic {token}", "Stripe-Version": VERSION}
        if form is not None:
            headers |= {"Content-Type": "application/x-www-form-urlencoded", "Idempotency-Key": key}
        body = urlencode(form).encode() if form is not None else b""
        try:
            answer = asyncio.run(_fetch(f"{self.api_url}{path}", method=method, headers=headers, body=body))
            said = json.loads(answer.body)
        except (outbound.OutboundError, ValueError) as error:
            raise GatewayAway("The payment company does not answer; try again later.") from error
        if answer.status >= 500 or answer.status == TOO_MANY:
            raise GatewayAway(f"The payment company has too much to do: HTTP {answer.status}.")
        if answer.status == NOT_FOUND:
            raise PaymentUnknown("The payment company knows of no such payment.")
        if answer.status != 200 or not isinstance(said, dict):
            raise GatewayRefused(f"The payment company refused: HTTP {answer.status}.")
        return said


async def _fetch(url: str, *, method: str, headers: dict[str, str], body: bytes) -> outbound.Fetched:
    """One request; the connections belong to this loop and end with it."""
    try:
        return await outbound.fetch(
            url, method=method, headers=headers, body=body, max_bytes=ANSWER_BYTES, timeout_s=ANSWER_SECONDS
        )
    finally:
        await outbound.close_all()


def _payment(session: Any) -> Payment:
    if not isinstance(session, dict):
        raise GatewayRefused("The payment company answered something else.")
    intent = session.get("payment_intent")
    details = intent if isinstance(intent, dict) else {}
    return Payment(
        external_id=_id(session),
        standing=_standing(session, details),
        amount_nanos=_nanos(session.get("amount_total"), session.get("currency")),
        payment_id=str(details.get("id") or intent) if intent else None,
        fee=_fee(details.get("latest_charge")),
    )


def _standing(session: dict[str, Any], intent: dict[str, Any]) -> Standing:
    """A page that was completed by a slow method is pending until that has worked, or has not."""
    if session.get("payment_status") == "paid":
        return "paid"
    if session.get("status") == "expired":
        return "canceled"
    return "failed" if session.get("status") == "complete" and intent.get("status") in _FAILED else "pending"


def _fee(charge: Any) -> Fee | None:
    """What Stripe has written down for a charge; that may be a while after the charge."""
    written = charge.get("balance_transaction") if isinstance(charge, dict) else None
    cents = written.get("fee") if isinstance(written, dict) else None
    if not isinstance(written, dict) or not isinstance(cents, int) or isinstance(cents, bool) or cents < 0:
        return None
    return Fee(amount_nanos=_nanos(cents, written.get("currency")))


def _nanos(cents: Any, currency: Any) -> int | None:
    is_whole = isinstance(cents, int) and not isinstance(cents, bool)
    return cents * NANOS_PER_CENT if is_whole and currency == "usd" else None


def _id(thing: dict[str, Any]) -> str:
    found = thing.get("id")
    if not isinstance(found, str) or not _ID.fullmatch(found):
        raise GatewayRefused("The payment company answered something else.")
    return found


def _parts(header: str) -> tuple[str, list[str]]:
    """The moment and the signatures of `t=…,v1=…`; other schemes count for nothing."""
    parts = [part.partition("=")[::2] for part in header.split(",")]
    moments = [value for name, value in parts if name.strip() == "t"]
    if len(moments) != 1 or not re.fullmatch(r"[0-9]{1,12}", moments[0]):
        raise ForgedEvent("The message carries no signature.")
    return moments[0], [value for name, value in parts if name.strip() == "v1"]
