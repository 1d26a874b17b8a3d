"""Payments by card: begun over the API, credited once when Stripe's own record says so, whatever is sent how often."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import permutations
from typing import Any
from uuid import uuid4

import pytest
from django.db import connections

import outbound
from billing import collected, ledger, outbox, payments, webhooks
from billing.models import GatewayEvent, TopUp
from tenants.context import organization_context
from tests import make
from tests.api.client import ApiClient
from tests.billing import money
from tests.billing.cards import DOLLAR, begun, credited, tell
from tests.fakes.receiver import receiver
from tests.fakes.stripe import FakeStripe, signed

TOP_UPS = "/api/v1/billing/topups"


def test_a_payment_is_begun_paid_and_credited(company: FakeStripe, acme: Any, acme_client: ApiClient) -> None:
    before, asked = ledger.balance(acme.id).posted, {"id": str(uuid4()), "amount_usd": "25.50"}

    first, again = (acme_client.post(TOP_UPS, asked) for _ in range(2))
    (session,) = company.sessions
    assert (first.status, first.json["status"], first.json["payment_url"]) == (
        201, "pending", company.sessions[session]["url"],
    )  # fmt: skip
    assert again.json == first.json
    assert ledger.balance(acme.id).posted == before
    told = tell(company.event("checkout.session.completed", company.pay(session)))

    assert (told.status, told.said["status"]) == (200, "credited")
    assert ledger.balance(acme.id).posted == before + 25_500_000_000
    assert acme_client.post(TOP_UPS, asked).json["status"] == "credited"
    assert money.broken_rules() == {}


def test_a_neighbours_id_is_another_payment(
    company: FakeStripe, acme_client: ApiClient, globex_client: ApiClient
) -> None:
    asked = {"id": str(uuid4()), "amount_usd": "25"}

    ours, theirs = acme_client.post(TOP_UPS, asked), globex_client.post(TOP_UPS, asked | {"amount_usd": "30"})

    assert (ours.status, theirs.status) == (201, 201)
    assert ours.json["id"] != theirs.json["id"]
    assert ours.json["id"] not in {row["id"] for row in globex_client.get(TOP_UPS).json["data"]}


@pytest.mark.parametrize("amount", ["-5", "0", "0.001", "1e3", "1", 25, 25.5, None, "1000001"])
def test_bl_08_an_amount_that_is_none_leaves_no_row(
    amount: Any, company: FakeStripe, acme: Any, acme_client: ApiClient
) -> None:
    answer = acme_client.post(TOP_UPS, {"id": str(uuid4()), "amount_usd": amount})

    assert answer.status == 400
    with money.everything():
        assert not TopUp.objects.filter(organization_id=acme.id, rail="stripe").exists()
    assert company.requests == []


def test_bl_08_another_currency_is_refused(company: FakeStripe, acme_client: ApiClient) -> None:
    answer = acme_client.post(TOP_UPS, {"id": str(uuid4()), "amount_usd": "25", "currency": "EUR"})

    assert answer.code == (400, "invalid_request_error", "invalid_currency")


@pytest.mark.parametrize("changes", [{"currency": "eur"}, {"amount_total": 2_499}, {"amount_total": 2_501}])
def test_another_sum_than_was_asked_for_is_not_credited(changes: Any, company: FakeStripe, acme: Any) -> None:
    session = begun(acme, company)

    told = tell(company.event("checkout.session.completed", company.pay(session, **changes)))

    assert told.said["status"] == "mismatch"
    assert ledger.balance(acme.id).posted == 0


def test_c9_one_message_twenty_times_at_once_and_the_poller_credit_once(
    company: FakeStripe, acme: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = company.event("checkout.session.completed", company.pay(begun(acme, company)))
    monkeypatch.setattr(collected, "LOOK_AFTER", timedelta())

    def act(nth: int) -> int:
        try:
            if nth % 5:
                return tell(body).status
            payments.look_after_pending()
            return 200
        finally:
            connections.close_all()

    with ThreadPoolExecutor(max_workers=8) as pool:
        statuses = set(pool.map(act, range(25)))

    assert statuses == {200}
    assert (credited(acme), ledger.balance(acme.id).posted) == (1, 25 * DOLLAR)


def test_pt12_order_and_number_of_messages_do_not_matter(company: FakeStripe) -> None:
    balances = set()
    for nth, order in enumerate(permutations(range(3))):
        acme = make.organization("Acme")
        session = begun(acme, company)
        paid = company.pay(session)
        messages = [
            company.event("checkout.session.completed", paid),
            company.event("checkout.session.async_payment_succeeded", paid),
            company.event("charge.dispute.created", company.take_back(session, cents=1_000)),
        ]
        for each in order:
            for _ in range(1 + nth % 3):
                assert tell(messages[each]).status == 200
        balances.add((ledger.balance(acme.id).posted, ledger.balance(acme.id).status, credited(acme)))

    assert balances == {(15 * DOLLAR, "frozen", 1)}
    assert money.broken_rules() == {}


def test_bl_06_f59_a_message_replayed_thirty_days_later_does_nothing(company: FakeStripe, acme: Any) -> None:
    body = company.event("checkout.session.completed", company.pay(begun(acme, company)))
    for _ in range(5):
        assert tell(body).status == 200
    other = json.dumps(json.loads(body) | {"id": "evt_another"}).encode()

    assert tell(other).status == 200
    for age in (360, 30 * 86_400, -360):
        stale = tell(body, signed(body, at=time.time() - age))
        assert (stale.status, stale.said["error"]["code"]) == (400, "stale_event")
    assert (credited(acme), ledger.balance(acme.id).posted) == (1, 25 * DOLLAR)


def forgeries(body: bytes) -> dict[str, str]:
    return {
        "none": "", "nonsense": "t=now,v1=x", "no moment": "v1=00", "wrong secret": signed(body, secret="whsec_other"),
        "another scheme": signed(body, scheme="v0"), "no secret": signed(body, secret=""),
        "other bytes": signed(json.dumps(json.loads(body)).encode()), "two moments": "t=1," + signed(body),
        "not ascii": "t=1,v1=ü",
    }  # fmt: skip


@pytest.mark.parametrize("how", forgeries(b"{}"))
def test_bl_07_a_forged_message_is_refused_and_not_kept(how: str, company: FakeStripe, acme: Any) -> None:
    body = company.event("checkout.session.completed", company.pay(begun(acme, company)))

    told = tell(body, forgeries(body)[how])

    assert (told.status, told.said["error"]["type"]) == (401, "authentication_error")
    assert ledger.balance(acme.id).posted == 0
    with money.everything():
        assert not GatewayEvent.objects.filter(event_id=json.loads(body)["id"]).exists()


def test_a_message_that_claims_more_than_the_record_says_credits_nothing(company: FakeStripe, acme: Any) -> None:
    session = begun(acme, company)

    told = tell(company.event("checkout.session.completed", company.sessions[session] | {"payment_status": "paid"}))

    assert (told.status, told.said["status"]) == (200, "pending")
    assert ledger.balance(acme.id).posted == 0


def test_while_stripe_is_away_a_message_is_asked_for_again(company: FakeStripe, acme: Any) -> None:
    body = company.event("checkout.session.completed", company.pay(begun(acme, company)))

    company.is_down = True
    assert tell(body).status == 503
    company.is_down = False

    assert tell(body).said["status"] == "credited"
    assert ledger.balance(acme.id).posted == 25 * DOLLAR


def test_a_page_that_expired_cancels_the_payment(company: FakeStripe, acme: Any) -> None:
    session = begun(acme, company)
    company.sessions[session]["status"] = "expired"

    assert tell(company.event("checkout.session.expired", company.sessions[session])).said["status"] == "canceled"


def test_an_inquiry_takes_nothing(company: FakeStripe, acme: Any) -> None:
    session = begun(acme, company)
    company.pay(session)
    asked = company.take_back(session, status="warning_needs_response")

    assert tell(company.event("charge.dispute.created", asked)).said["status"] == "ignored"
    assert ledger.balance(acme.id).status == "open"


def test_f58_a_chargeback_leaves_what_a_run_holds_and_starts_no_other(company: FakeStripe, acme: Any) -> None:
    from billing.errors import WalletFrozen

    session = begun(acme, company)
    tell(company.event("checkout.session.completed", company.pay(session)))
    hold = money.hold(acme, 5 * DOLLAR)

    tell(company.event("charge.dispute.created", company.take_back(session)))

    assert (ledger.balance(acme.id).posted, ledger.balance(acme.id).held) == (5 * DOLLAR, 5 * DOLLAR)
    with pytest.raises(WalletFrozen):
        money.hold(acme, 1)
    money.settle(hold, cost=5 * DOLLAR)
    assert ledger.balance(acme.id).posted == 0
    assert money.broken_rules() == {}


def test_who_listens_hears_of_the_payment_once(company: FakeStripe, acme: Any) -> None:
    with receiver() as heard:
        outbound.configure(allow=[company.place, heard.place])
        with organization_context(acme.id):
            webhooks.add_endpoint(url=heard.url, topics=["topup.succeeded"])
        body = company.event("checkout.session.completed", company.pay(begun(acme, company)))
        for _ in range(3):
            tell(body)
            outbox.relay()

    (message,) = heard.messages
    told = json.loads(message.body)
    assert (told["type"], told["data"]["amount_nanos"]) == ("topup.succeeded", str(25 * DOLLAR))
    assert told["data"]["rail"] == "stripe"


def test_without_a_company_nobody_pays_and_no_message_is_read(acme_client: ApiClient) -> None:
    answer = acme_client.post(TOP_UPS, {"id": str(uuid4()), "amount_usd": "25"})

    assert answer.code == (503, "server_error", "payments_not_configured")
    assert tell(b"{}").status == 503
    assert payments.look_after_pending() == 0


def test_who_may_only_read_begins_no_payment(company: FakeStripe, server: Any, acme: Any) -> None:
    from tenants.permissions import BILLING_READ

    with ApiClient(server.url, make.key(acme, permissions=[BILLING_READ])) as reader:
        assert reader.post(TOP_UPS, {"id": str(uuid4()), "amount_usd": "25"}).status == 403
