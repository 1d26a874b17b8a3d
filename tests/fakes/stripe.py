"""Stripe as its documents describe it, on a port: Checkout sessions, disputes, and messages that it signs."""

import base64
import hmac
import json
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlsplit

SECRET_KEY = "sk_test_of_a_fake"
WEBHOOK_SECRET = "whsec_of_a_fake"
EXPANDED = "payment_intent.latest_charge.balance_transaction"
_number = count(1)


def unique(prefix: str) -> str:
    """An id nobody else has."""
    return f"{prefix}_{next(_number)}x{time.time_ns()}"


def signed(body: bytes, *, at: float | None = None, secret: str = WEBHOOK_SECRET, scheme: str = "v1") -> str:
    """The header that Stripe sends along."""
    moment = int(time.time() if at is None else at)
    mark = hmac.new(secret.encode(), f"{moment}.".encode() + body, "sha256").hexdigest()
    return f"t={moment},{scheme}={mark}"


@dataclass
class FakeStripe:
    """Its records, and what it was asked. `is_down` makes it answer 500."""

    place: str
    sessions: dict[str, dict[str, Any]] = field(default_factory=dict)
    intents: dict[str, dict[str, Any]] = field(default_factory=dict)
    disputes: dict[str, dict[str, Any]] = field(default_factory=dict)
    by_key: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    is_down: bool = False

    def pay(self, session_id: str, **changes: Any) -> dict[str, Any]:
        """Somebody pays on the page; answers the session. What it costs is written down when `charge` says so."""
        paid = {"status": "complete", "payment_status": "paid", "payment_intent": unique("pi"), **changes}
        self.sessions[session_id] |= paid
        self.intents[paid["payment_intent"]] = {
            "id": paid["payment_intent"], "object": "payment_intent", "latest_charge": None,
            "status": "succeeded" if paid["payment_status"] == "paid" else "processing",
        }  # fmt: skip
        return self.sessions[session_id]

    def charge(self, session_id: str, *, fee: int, currency: str = "usd") -> None:
        """Stripe writes down what it keeps of a payment, in cents."""
        session = self.sessions[session_id]
        written = {
            "id": unique("txn"), "object": "balance_transaction", "amount": session["amount_total"], "fee": fee,
            "net": session["amount_total"] - fee, "currency": currency,
        }  # fmt: skip
        self.intents[session["payment_intent"]]["latest_charge"] = {
            "id": unique("ch"), "object": "charge", "balance_transaction": written,
        }  # fmt: skip

    def take_back(self, session_id: str, *, status: str = "needs_response", cents: int | None = None) -> dict[str, Any]:
        """The payer's bank takes the payment back; answers the dispute."""
        session = self.sessions[session_id]
        made = {
            "id": unique("du"), "object": "dispute", "payment_intent": session["payment_intent"], "currency": "usd",
            "amount": cents or session["amount_total"], "reason": "fraudulent", "status": status,
        }  # fmt: skip
        self.disputes[made["id"]] = made
        return made

    def event(self, kind: str, thing: dict[str, Any]) -> bytes:
        """A message about one of its records."""
        told = {"id": unique("evt"), "object": "event", "type": kind, "livemode": False, "data": {"object": thing}}
        return json.dumps(told, indent=2).encode()

    def _answer(self, method: str, target: str, headers: Any, body: bytes) -> tuple[int, Any]:
        if self.is_down:
            return 500, {"error": {"type": "api_error"}}
        if headers["Authorization"] != f"Basic {base64.b64encode(f'{SECRET_KEY}:'.encode()).decode()}":
            return 401, {"error": {"type": "invalid_request_error"}}
        path, query = urlsplit(target).path, parse_qs(urlsplit(target).query)
        if (method, path) == ("POST", "/v1/checkout/sessions"):
            return 200, self._open(parse_qs(body.decode(), strict_parsing=True), headers["Idempotency-Key"])
        if path == "/v1/checkout/sessions":
            wanted = query["payment_intent"][0]
            rows = [row for row in self.sessions.values() if row["payment_intent"] == wanted]
            return 200, {"object": "list", "data": rows, "has_more": False}
        if path.endswith("/expire"):
            return self._expire(path.split("/")[-2])
        kept = self.sessions if path.startswith("/v1/checkout/sessions/") else self.disputes
        found = kept.get(path.rpartition("/")[2])
        if found is None:
            return 404, {"error": {"code": "resource_missing"}}
        return 200, self._expanded(found) if query.get("expand[]") == [EXPANDED] else found

    def _expanded(self, session: dict[str, Any]) -> dict[str, Any]:
        return session | {"payment_intent": self.intents.get(session["payment_intent"] or "")}

    def _expire(self, session_id: str) -> tuple[int, Any]:
        session = self.sessions[session_id]
        if session["status"] != "open":
            return 400, {"error": {"type": "invalid_request_error", "message": "Only open sessions can be expired."}}
        session["status"] = "expired"
        return 200, session

    def _open(self, form: dict[str, list[str]], key: str) -> dict[str, Any]:
        if key not in self.by_key:
            id = unique("cs_test")
            self.by_key[key] = id
            self.sessions[id] = {
                "id": id, "object": "checkout.session", "status": "open", "payment_status": "unpaid",
                "amount_total": int(form["line_items[0][price_data][unit_amount]"][0]),
                "currency": form["line_items[0][price_data][currency]"][0], "payment_intent": None,
                "client_reference_id": form["client_reference_id"][0], "url": f"https://checkout.example/{id}",
            }  # fmt: skip
        return self.sessions[self.by_key[key]]


@contextmanager
def stripe() -> Generator[FakeStripe]:
    """A Stripe on a port of its own."""

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fake.requests.append((self.command, self.path))
            status, said = fake._answer(self.command, self.path, self.headers, body)
            answer = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def do_GET(self) -> None:
            self._serve()

        def do_POST(self) -> None:
            self._serve()

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        fake = FakeStripe(place=f"127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield fake
        finally:
            server.shutdown()
            thread.join()
