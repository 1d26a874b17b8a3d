"""Payouts and statements in the browser: calculated by one, approved by another; months to take along."""

import csv
import io

import pytest
from django.test import Client
from django.urls import reverse

from billing.models import PayoutBatch, Statement
from tenants.context import platform_context
from tenants.models import Organization
from tests import make
from tests.admin.cast import member, page, staff, text
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

    assert "Calculated: 1 payouts, $20.00" in text(drawn)
    assert "Somebody else than who calculated the batch has to approve it." in step(ann, batch, "approve")
    assert f"Payouts of {month}: approved." in step(ben, batch, "approve")
    with platform_context(reason="a test"):
        batch.refresh_from_db()
    assert batch.state == "approved"
    shown = ben.get(page("admin", PayoutBatch, "change", batch.pk))
    assert "File for the bank" in text(shown)
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
