"""Payouts and statements in the browser: calculated by one, approved by another; months to take along."""

import csv
import io

import pytest
from django.test import Client
from django.urls import reverse

from billing import payouts
from billing.models import Payout, PayoutAccount, PayoutBatch, Statement
from billing.payouts import Answer
from tenants.context import platform_context
from tenants.models import Organization
from tenants.roles import Role
from tests import make
from tests.admin.cast import fields, member, page, staff, text
from tests.admin.test_moves import entered
from tests.billing import calendar, money, payday

DOLLAR = 10**9


@pytest.fixture
def creator(globex: Organization) -> Organization:
    """Globex, which has earned $20 long ago, and can be paid."""
    payday.earn(payday.banked(globex), 20 * DOLLAR)
    payday.nobody_else_is_paid(globex)
    payday.backdate(globex, days=100)
    return globex


def step(client: Client, batch: PayoutBatch, name: str) -> str:
    address = reverse("admin:billing_payoutbatch_step", args=(batch.pk, name))
    return text(entered(client, address, reason="month end")[1])


def test_a_month_is_calculated_by_one_and_approved_by_another(creator: Organization) -> None:
    ann, ben, month = staff(), staff(), payday.a_month()

    _, drawn = entered(ann, page("admin", PayoutBatch, "add"), period=month, reason="month end")
    with platform_context(reason="a test"):
        batch = PayoutBatch.objects.get(period=month)

    here = page("admin", PayoutBatch, "change", batch.pk)
    assert "Calculated: 1 payout, $20.00" in text(drawn)
    assert "it takes another superuser to approve it" in text(ann.get(here))
    assert "it takes another superuser to approve it" not in text(ben.get(here))
    assert "Somebody else than who calculated the batch has to approve it." in step(ann, batch, "approve")
    assert f"Payouts of {month}: approved." in step(ben, batch, "approve")
    with platform_context(reason="a test"):
        batch.refresh_from_db()
    assert batch.state == "approved"
    shown = ben.get(page("admin", PayoutBatch, "change", batch.pk))
    assert "File for the bank" in text(shown)
    listed = ben.get(page("admin", Payout, "changelist"), {"batch__id__exact": str(batch.pk)})
    assert "?batch__id__exact=" + str(batch.pk) in text(shown)
    assert "$20.00" in text(listed)
    assert f"Payouts of {month}: sent." in step(ben, batch, "sent")
    assert payday.payout_of(batch.pk, creator).state == "sent"
    assert money.broken_rules() == {}


def test_the_file_for_the_bank_has_whole_accounts_and_is_for_superusers(creator: Organization) -> None:
    batch = payday.approved(creator)
    address = reverse("admin:billing_payoutbatch_bank_file", args=(batch,))

    (row,) = csv.DictReader(io.StringIO(text(staff().get(address)), newline=""))
    refused = staff(is_superuser=False).get(address)

    assert (row["account"], row["amount"]) == ("DE89370400440532013000", "20.00")
    assert "DE8937" not in text(refused)


def test_a_statement_is_taken_along_by_its_own_people(acme: Organization, globex: Organization) -> None:
    make.wallet(acme, 10 * DOLLAR)
    calendar.close(acme, calendar.JANUARY)
    with platform_context(reason="a test"):
        statement = Statement.objects.get(organization=acme)
    addresses = [reverse(f"console:billing_statement_{kind}", args=(statement.pk,)) for kind in ("pdf", "csv")]

    us, them = member(acme), member(globex)

    assert "$10.00" in text(us.get(page("console", Statement, "changelist")))
    assert us.get(addresses[0]).content.startswith(b"%PDF")
    assert us.get(addresses[1]).status_code == 200
    assert {them.get(address).status_code for address in addresses} == {404}
    assert staff().get(reverse("admin:billing_statement_pdf", args=(statement.pk,))).status_code == 200


def told_of(client: Client, payout: Payout, name: str, **said: str) -> str:
    return text(entered(client, reverse(f"admin:billing_payout_{name}", args=(payout.pk,)), **said)[1])


def test_what_the_bank_says_is_booked_and_a_failed_payout_tried_again(creator: Organization) -> None:
    ben, batch = staff(), payday.approved(creator)
    first = payday.payout_of(batch, creator)
    payouts.mark_sent(id=batch, actor="grace@example.test", reason="file 7")
    assert "What became of it" in text(ben.get(page("admin", Payout, "change", first.pk)))

    assert "Say why the money did not arrive." in told_of(ben, first, "outcome", outcome="failed", reason="letter")
    told_of(ben, first, "outcome", outcome="failed", code="name_mismatch", reason="letter of the bank")
    shown = text(ben.get(page("admin", Payout, "change", first.pk)))
    assert "name_mismatch" in shown
    assert "Try again" in shown
    assert "is tried again." in told_of(ben, first, "retry", reason="the name is right now")
    second = payday.payout_of(batch, creator)
    assert (second.state, second.attempt) == ("pending", 2)
    payouts.mark_sent(id=batch, actor="grace@example.test", reason="file 8")
    told_of(ben, second, "outcome", outcome="paid", fee="0.25", reason="bank statement 3")

    paid = payday.payout_of(batch, creator)
    assert (paid.state, paid.fee, payday.batch(batch).state) == ("paid", DOLLAR // 4, "closed")
    assert money.broken_rules() == {}


def test_f60_money_that_comes_back_after_it_was_paid_is_booked_on_its_page(creator: Organization) -> None:
    ben, batch = staff(), payday.approved(creator)
    payouts.mark_sent(id=batch, actor="grace@example.test", reason="file 7")
    told_of(ben, payday.payout_of(batch, creator), "outcome", outcome="paid", reason="bank statement 3")

    told_of(ben, payday.payout_of(batch, creator), "outcome", outcome="returned", code="closed", reason="statement 4")

    returned = payday.payout_of(batch, creator)
    assert returned.state == "returned"
    assert payday.position(creator).payable_nanos == 20 * DOLLAR
    assert "What became of it" not in text(ben.get(page("admin", Payout, "change", returned.pk)))


def test_a_page_that_is_out_of_date_books_nothing(creator: Organization) -> None:
    batch = payday.approved(creator)
    payouts.mark_sent(id=batch, actor="grace@example.test", reason="file 7")
    first, ben = payday.payout_of(batch, creator), staff()
    address = reverse("admin:billing_payout_outcome", args=(first.pk,))
    stale = fields(ben.get(address), "move_form") | {"outcome": "paid", "reason": "an old page"}
    payday.report(first, Answer(outcome="failed", code="closed"))
    payouts.retry(id=first.pk, attempt=1, actor="grace@example.test", reason="again")
    payouts.mark_sent(id=batch, actor="grace@example.test", reason="file 8")

    assert "This is about an earlier attempt." in text(ben.post(address, stale))
    assert payday.payout_of(batch, creator).state == "sent"


def test_only_superusers_book_what_became_of_payouts(creator: Organization) -> None:
    payout = payday.payout_of(payday.approved(creator), creator)

    for name in ("outcome", "retry"):
        address = reverse(f"admin:billing_payout_{name}", args=(payout.pk,))
        assert staff(is_superuser=False).get(address).status_code == 403


def test_members_see_what_they_earned_and_say_where_it_goes(creator: Organization, acme: Organization) -> None:
    listed, account = page("console", Payout, "changelist"), reverse("console:billing_payout_account")
    us = member(creator)

    assert "Globex Ltd, account ending in 3000" in text(us.get(listed))
    assert "$20.00" in text(us.get(listed))
    wrong = text(entered(us, account, holder="Globex", number="DE89 3704 0044 0532 0130 01")[1])
    _, kept = entered(us, account, holder="Globex SA", number="GB29 NWBK 6016 1331 9268 19", country="GB")

    assert "The IBAN has a typing error" in wrong
    assert "Payouts go to Globex SA, account ending in 6819" in text(kept)
    assert "NWBK" not in text(kept)
    neighbour = text(member(acme).get(listed))
    assert "Nobody knows yet where to send what you earn." in neighbour
    assert "Globex" not in neighbour


@pytest.mark.parametrize(
    ("role", "status"), [(Role.OWNER, 200), (Role.BILLING, 200), (Role.ADMIN, 403), (Role.VIEWER, 403)]
)
def test_only_who_looks_after_money_says_where_it_goes(role: Role, status: int, acme: Organization) -> None:
    assert member(acme, role).get(reverse("console:billing_payout_account")).status_code == status


def test_staff_sees_payout_accounts_without_their_numbers(creator: Organization) -> None:
    row = account_in_use(creator)
    for address in (page("admin", PayoutAccount, "changelist"), page("admin", PayoutAccount, "change", row.pk)):
        shown = text(staff().get(address))
        assert "Globex Ltd, account ending in 3000" in shown
        assert "0532" not in shown


def account_in_use(creator: Organization) -> PayoutAccount:
    with platform_context(reason="a test"):
        found = payouts.account_of(creator.id)
    assert found is not None
    return found
