"""The rail of the guide, as it stands there, against a provider on a port: it pays once, and tells what it must."""

import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

import outbound
from billing import payouts
from billing.payout_rails import PayoutRail
from tests.billing import money, payday
from tests.billing.payday import DOLLAR, THROUGH_A_PROVIDER
from tests.docs.test_examples import examples


@dataclass
class Provider:
    """Its transfers, by their references; `status` is what it answers instead."""

    place: str
    transfers: dict[str, dict[str, Any]] = field(default_factory=dict)
    status: int = 200

    def asked(self, path: str, body: bytes) -> dict[str, Any]:
        """What it says to a request."""
        if self.status != 200:
            return {"error": "account_unknown"}
        if not body:
            return next(each for each in self.transfers.values() if each["id"] == path.rpartition("/")[2])
        sent = json.loads(body)
        made = {"id": f"tr_{len(self.transfers)}", "status": "pending", **sent}
        return self.transfers.setdefault(sent["reference"], made)


@contextmanager
def provider() -> Generator[Provider]:
    """One on a port of its own."""

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            answer = json.dumps(fake.asked(self.path, body)).encode()
            self.send_response(fake.status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = _serve  # noqa: N815 - the server's own names

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        fake = Provider(place=f"127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        outbound.configure(allow=[fake.place])
        try:
            yield fake
        finally:
            outbound.configure()
            server.shutdown()
            thread.join()


@pytest.fixture
def rail() -> PayoutRail:
    """The guide's."""
    (block,) = examples("docs/how-to/pay-creators.md")
    told: dict[str, Any] = {"__name__": "example_pay"}
    exec(compile(block, "pay-creators.md", "exec"), told)  # noqa: S102 the guide itself
    made: PayoutRail = told["ExamplePay"]()
    return made


def test_the_guides_rail_pays_a_creator_once(rail: PayoutRail, globex: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    payday.earn(globex, 25 * DOLLAR)
    id, books = payday.approved(payday.banked(globex), on=THROUGH_A_PROVIDER), money.Books()
    with provider() as fake:
        monkeypatch.setenv("EXAMPLE_PAY_URL", f"http://{fake.place}")
        monkeypatch.setenv("EXAMPLE_PAY_KEY", "k")
        fake.status = 503
        payouts.send_due(rail)
        payday.let_time_pass(payday.payout_of(id, globex))
        fake.status = 200
        payouts.send_due(rail)
        (transfer,) = fake.transfers.values()
        transfer |= {"status": "paid", "fee_cents": 25}
        payday.let_time_pass(payday.payout_of(id, globex))
        payouts.send_due(rail)

    paid = payday.payout_of(id, globex)
    assert (paid.state, paid.external_ref, transfer["amount"]) == ("paid", "tr_0", 2_500)
    assert transfer["to"]["account"] == payday.IBAN.replace(" ", "")
    assert (books.change("payment_fees"), books.change("cash")) == (DOLLAR // 4, -25 * DOLLAR - DOLLAR // 4)


def test_what_the_guides_rail_refuses_goes_back(rail: PayoutRail, globex: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    payday.earn(globex, 25 * DOLLAR)
    id = payday.approved(payday.banked(globex), on=THROUGH_A_PROVIDER)
    with provider() as fake:
        monkeypatch.setenv("EXAMPLE_PAY_URL", f"http://{fake.place}")
        monkeypatch.setenv("EXAMPLE_PAY_KEY", "k")
        fake.status = 422
        payouts.send_due(rail)

    failed = payday.payout_of(id, globex)
    assert (failed.state, failed.failure_code) == ("failed", "account_unknown")
