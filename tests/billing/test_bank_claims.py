"""What banks claim back is in the books, or in front of staff: nothing of it is only written to a log."""

import re
from html import unescape
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.db import connections
from django.test import Client

from billing import adjustments, bank_claims, ledger, payments, reconcile
from billing.errors import MovementRefused
from billing.models import BankClaim, TransferGroup
from tenants.context import platform_context
from tenants.models import AuditEvent
from tests.admin.cast import fields, page, staff, text
from tests.billing import money
from tests.billing.cards import DOLLAR, begun, claim, let_time_pass, paid, tell
from tests.fakes.stripe import FakeStripe


@pytest.fixture(autouse=True)
def none_left() -> None:
    """Explain what earlier tests left open."""
    with money.everything():
        left = list(bank_claims.open_claims())
    for row in left:
        bank_claims.explain(id=row.pk, explanation="left by a test", actor="ann")


def disputed(company: FakeStripe, session: str, **options: Any) -> dict[str, Any]:
    """A bank takes a payment back, and we are told."""
    made = company.take_back(session, **options)
    tell(company.event("charge.dispute.created", made))
    return made


def words(client: Client, address: str) -> str:
    """What a page says, without its markup."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", text(client.get(address)))).split())


def reversed_top_up(acme: Any) -> None:
    """Staff has taken the top-up back."""
    with money.everything():
        group = TransferGroup.objects.get(organization_id=acme.id, kind="top_up")
    words = {"reason": "by mistake", "ticket": "T", "actor": "ann"}
    adjustments.reverse(id=uuid4(), group_id=group.pk, **words)


def test_a_claim_is_booked_at_once_and_stays_so(company: FakeStripe, acme: Any) -> None:
    made = disputed(company, paid(acme, company))

    assert (claim(made).state, claim(made).outcome) == ("booked", "made")
    assert (ledger.balance(acme.id).posted, ledger.balance(acme.id).status) == (0, "frozen")
    with money.everything():
        assert claim(made).pk == TransferGroup.objects.get(key=f"chargeback:{claim(made).pk}").adjustment.pk


def test_a_claim_that_stripe_could_not_be_asked_about_is_booked_without_another_message(
    company: FakeStripe,
    acme: Any,
) -> None:
    session = paid(acme, company)
    made = company.take_back(session)
    company.is_down = True
    assert tell(company.event("charge.dispute.created", made)).status == 503
    assert (claim(made).state, claim(made).outcome) == ("open", "")
    company.is_down = False

    let_time_pass()
    payments.look_after_pending()

    assert claim(made).state == "booked"
    assert ledger.balance(acme.id).posted == 0


def test_a_claim_that_cannot_be_booked_is_tried_again_until_it_can(company: FakeStripe, acme: Any) -> None:
    made = disputed(company, paid(acme, company), cents=2_600)
    assert (claim(made).state, claim(made).outcome, claim(made).looks) == ("open", "returned", 0)
    for _ in range(2):
        let_time_pass()
        payments.look_after_pending()
    assert (claim(made).state, claim(made).looks) == ("open", 2)

    company.disputes[made["id"]]["amount"] = 2_500
    let_time_pass()
    payments.look_after_pending()

    assert claim(made).state == "booked"
    assert ledger.balance(acme.id).posted == 0
    assert money.broken_rules() == {}


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [({"currency": "eur"}, "another_currency"), ({"amount": 2_501}, "returned")],
)
def test_what_is_not_booked_says_why(
    changes: dict[str, Any],
    outcome: str,
    company: FakeStripe,
    acme: Any,
) -> None:
    session = paid(acme, company)
    made = company.take_back(session)
    company.disputes[made["id"]] |= changes

    tell(company.event("charge.dispute.created", made))

    assert (claim(made).state, claim(made).outcome) == ("open", outcome)
    assert ledger.balance(acme.id).posted == 25 * DOLLAR


def test_a_payment_of_another_sum_that_is_claimed_back_is_not_forgotten(company: FakeStripe, acme: Any) -> None:
    session = begun(acme, company)
    company.pay(session, amount_total=2_400)

    made = disputed(company, session)

    assert (claim(made).state, claim(made).outcome) == ("open", "not_credited")


def test_an_inquiry_is_dropped_and_opened_again_when_it_takes_money(company: FakeStripe, acme: Any) -> None:
    made = disputed(company, paid(acme, company), status="warning_needs_response")
    assert claim(made).state == "dropped"

    company.disputes[made["id"]]["status"] = "needs_response"
    tell(company.event("charge.dispute.funds_withdrawn", made))

    assert claim(made).state == "booked"


def test_a_reversed_payment_that_is_claimed_too_is_explained_by_staff(company: FakeStripe, acme: Any) -> None:
    session = paid(acme, company)
    reversed_top_up(acme)
    made = disputed(company, session)
    ann = staff()
    home, overview = (words(ann, address) for address in ("/admin/", "/admin/billing/"))
    form = page("admin", BankClaim, "explain", claim(made).pk)

    ann.post(form, fields(ann.get(form), "move_form") | {"explanation": "Taken back on Monday already."})

    assert "Banks' claims to book 1" in home
    assert "Banks' claims to book 1" in overview
    assert (claim(made).state, claim(made).explanation) == ("explained", "Taken back on Monday already.")
    with platform_context(reason="a test"):
        assert AuditEvent.objects.filter(action="bank_claim.explained", organization=acme).exists()
    let_time_pass()
    payments.look_after_pending()
    assert (claim(made).state, ledger.balance(acme.id).posted) == ("explained", 0)
    with pytest.raises(MovementRefused, match="ended"):
        bank_claims.explain(id=claim(made).pk, explanation="again", actor="ben")


def test_who_only_looks_explains_nothing(company: FakeStripe, acme: Any) -> None:
    made = disputed(company, paid(acme, company), cents=2_600)
    viewer: Client = staff(is_superuser=False)

    answer = viewer.post(page("admin", BankClaim, "explain", claim(made).pk), {"explanation": "x"})

    assert answer.status_code == 403
    assert claim(made).state == "open"


def test_a_reconciliation_asks_for_claims_that_are_open(company: FakeStripe, acme: Any) -> None:
    from tests.billing.test_reconcile import today

    disputed(company, paid(acme, company), cents=2_600)

    report = reconcile.reconcile(day=today())

    found = next(each for each in report.findings if each.check == "every claim of a bank is booked or explained")
    assert (found.rule, found.state, found.violations) == ("R6", "broken", 1)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE billing_bankclaim SET state = 'open', ended_at = NULL",
        "UPDATE billing_bankclaim SET external_id = 'x'",
        "DELETE FROM billing_bankclaim",
    ],
)
def test_not_even_the_owner_edits_what_has_ended(statement: str, company: FakeStripe, acme: Any) -> None:
    disputed(company, paid(acme, company))

    with pytest.raises(Exception, match="stays") as refused, connections["owner"].cursor() as cursor:
        cursor.execute(statement)

    assert isinstance(refused.value.__cause__, psycopg.errors.RestrictViolation)
