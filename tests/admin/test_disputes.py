"""Disputes on both sites: a button at the charge, a form, and a page on which staff decides."""

from typing import Any

import pytest
from django.test import Client

from agents.models import Run
from billing import ledger
from billing.models import Dispute, Hold, Refund
from tenants.models import Organization
from tenants.roles import Role
from tests import make
from tests.admin.cast import fields, member, page, ran, run_of, staff, text
from tests.billing import money

DOLLAR = 10**9


@pytest.fixture
def run(acme: Organization) -> Run:
    """A run that Acme has paid for."""
    agent = make.published(make.wallet(acme, DOLLAR), price_per_run_nanos=1_500_000)
    return run_of(acme, ran(acme, agent))


def dispute_of(organization: Organization) -> Dispute:
    with money.everything():
        return Dispute.objects.select_related("refund").get(organization=organization)


def test_a_member_disputes_at_the_runs_page_and_sees_how_it_stands(acme: Organization, run: Run) -> None:
    owner, address = member(acme), page("console", Run, "change", run.pk)
    before = text(owner.get(address))
    form = before.split('href="/console/billing/dispute/add/')[1].split('"')[0]
    shown = owner.get(f"/console/billing/dispute/add/{form}")

    owner.post(f"/console/billing/dispute/add/{form}", fields(shown, "move_form") | {"remark": "It made things up."})

    row = dispute_of(acme)
    assert (row.reason, row.note, row.state) == ("quality", "It made things up.", "open")
    after = text(owner.get(address))
    assert "/console/billing/dispute/add/" not in after
    assert f"/console/billing/dispute/{row.pk}/change/" in after
    assert "It made things up." in text(owner.get(page("console", Dispute, "change", row.pk)))


def test_who_sees_no_money_is_offered_no_dispute(acme: Organization, run: Run) -> None:
    developer = member(acme, Role.DEVELOPER)

    assert developer.get("/console/billing/dispute/add/").status_code == 403
    assert developer.get(page("console", Dispute, "changelist")).status_code == 403


def test_another_organizations_charge_is_not_there(acme: Organization, globex: Organization, run: Run) -> None:
    neighbour = member(globex)
    with money.everything():
        charge = Hold.objects.get(charge__run_id=run.pk).charge_id
    shown = neighbour.get(f"/console/billing/dispute/add/?charge={charge}")

    answer = neighbour.post("/console/billing/dispute/add/", fields(shown, "move_form"))

    assert "There is no such charge." in text(answer)
    with money.everything():
        assert not Dispute.objects.filter(organization__in=(acme, globex)).exists()


def test_staff_decides_by_the_one_form_for_refunds(acme: Organization) -> None:
    row, ann = make.dispute(acme, remark="wrong"), staff()
    before = ledger.balance(acme.id).posted
    led = ann.get(page("admin", Dispute, "change", row.pk))
    form = ann.get(_action(led, "Refund the charge"), follow=True)

    sent = fields(form, "move_form")
    ann.post(form.request["PATH_INFO"], sent | {"remark": "Sorry."})

    assert (sent["hold_id"], sent["amount"], sent["reason"]) == (str(row.settlement_id), "1", "dispute")
    decided = dispute_of(acme)
    assert (decided.state, decided.answer, decided.refunded) == ("refunded", "Sorry.", DOLLAR)
    assert ledger.balance(acme.id).posted == before + DOLLAR
    assert "$1.00" in text(member(acme).get(page("console", Dispute, "change", row.pk)))
    with money.everything():
        assert Refund.objects.get(organization=acme).pk == decided.refund_id


def test_staff_rejects_with_a_reason_that_the_member_reads(acme: Organization) -> None:
    row, ann = make.dispute(acme), staff()
    address = page("admin", Dispute, "reject", row.pk)

    nothing = ann.post(address, fields(ann.get(address), "move_form") | {"answer": " "})
    ann.post(address, fields(ann.get(address), "move_form") | {"answer": "It did what was asked."})

    assert nothing.status_code == 200
    assert dispute_of(acme).state == "rejected"
    assert "It did what was asked." in text(member(acme).get(page("console", Dispute, "change", row.pk)))


def test_who_only_looks_decides_nothing(acme: Organization) -> None:
    row: Dispute = make.dispute(acme)
    viewer: Client = staff(is_superuser=False)

    assert viewer.get(page("admin", Dispute, "reject", row.pk)).status_code == 403
    assert dispute_of(acme).state == "open"


def _action(response: Any, name: str) -> str:
    """The address behind a button of a page."""
    before = text(response).split(name)[0]
    return before.rsplit('href="', 1)[1].split('"')[0]
