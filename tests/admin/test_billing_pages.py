"""The staff's figures: every sum is that of the page beneath it, down to one transfer, however much there is."""

import re
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connections
from django.test import Client
from django.urls import reverse

from billing import ledger, reconcile
from billing.admin.cards import money as shown
from billing.admin.cards import percent
from billing.admin.periods import period_of
from billing.lines import Line
from billing.models import Discrepancy
from tenants.models import Organization
from tests import make
from tests.admin.cast import Statements, member, staff, submit, text
from tests.billing import figures, money

TODAY = date(2026, 11, 25)
USED = Line(
    part="cost", sku="maker/one", unit="output", quantity=10, price_pico=10_000, amount_pico=100_000, source="provider"
)
NAMES = ("Gross volume", "Gross margin %", "Creator earnings", "Top-ups", "Refunds", "Estimated share", "Losses")
NOBODY = UUID(int=9)
SHARES = [(1, 3, "33.33 %"), (-1, 3, "−33.33 %"), (0, 5, "0.00 %"), (1, 0, "–"), (5, 5, "100.00 %")]
PAGES = ["/admin/billing/", "/admin/billing/margin/?by=model", "/admin/billing/settlements/"]


@pytest.fixture
def them(database: None) -> Client:
    return staff()


@pytest.fixture
def charged(acme: Organization, globex: Organization) -> Any:
    """A settled charge of Acme's, of which the platform keeps 5 nanodollars; answers its id."""
    id = uuid4()
    reserved = ledger.hold(
        id=id,
        payer=make.wallet(acme, 10_000).id,
        run_id=uuid4(),
        amount_nanos=500,
        reference="acme/clerk",
        price=money.PLATFORM_PAYS,
        beneficiary=globex.id,
    )
    money.run(reserved)
    money.settle(id, cost=100, markup=40, fee=5, lines=(USED, money.flat("markup", 40), money.flat("fee", 5)))
    figures.caught_up()
    return id


def margins(page: str, part: str) -> list[int]:
    """The margins in a part of a page's table."""
    (found,) = re.findall(rf"<{part}>(.*?)</{part}>", page, re.DOTALL)
    return [int(nanos) for nanos in re.findall(r'data-nanos="(-?\d+)"', found)]


def test_each_figure_has_its_definition_and_books_that_hold_are_green(them: Client, charged: Any) -> None:
    reconcile.reconcile(day=datetime.now(UTC).date())

    page = text(them.get("/admin/billing/?period=today"))

    for name in NAMES:
        assert f">{name}</dt>" in page
    assert page.count('class="meaning"') == 19
    assert "debits equal credits" in page
    assert "Debits less credits" in page
    assert "<script>" not in page


def test_the_margin_adds_up_on_the_way_down(them: Client, charged: Any) -> None:
    overview = text(them.get("/admin/billing/?period=today"))
    link, card = re.findall(r'data-nanos="-?\d+">\s*<a href="([^"]+)" class="underline">([^<]+)<', overview)[3]
    days = text(them.get(link.replace("&amp;", "&")))
    models = text(them.get(f"/admin/billing/margin/?{period_of({'period': 'today'}).query}&by=model"))
    settlements = text(them.get(f"/admin/billing/settlements/?{period_of({'period': 'today'}).query}&model=maker/one"))

    assert sum(margins(days, "tbody")) == sum(margins(models, "tbody")) == margins(days, "tfoot")[0]
    assert shown(margins(days, "tfoot")[0]) == card
    assert sum(margins(settlements, "tbody")) == margins(settlements, "tfoot")[0]
    assert str(charged) in settlements


def test_the_chain_is_on_one_page(them: Client, charged: Any) -> None:
    page = text(them.get(reverse("admin:billing_chain", args=(charged,))))

    assert f"settlement:{charged}" in page
    assert "maker/one" in page
    transfers = re.findall(r'id="transfers".*', page, re.DOTALL)[0]
    assert sorted(map(int, re.findall(r'data-nanos="(\d+)"', transfers))) == [40, 100, 105]


@pytest.mark.parametrize("by", ["charge", "run", "key"])
def test_a_charge_is_found_by_what_one_has(by: str, them: Client, charged: Any) -> None:
    with money.everything(), connections["platform"].cursor() as cursor:
        cursor.execute("SELECT run_id FROM billing_charge WHERE id = %s", (charged,))
        (run_id,) = cursor.fetchone()
    words = {"charge": charged, "run": run_id, "key": f"settlement:{charged}"}[by]

    answer = them.get("/admin/billing/find/", {"q": str(words)})

    assert answer["Location"] == reverse("admin:billing_chain", args=(charged,))


def test_what_moved_without_a_charge_is_found_in_the_journal(them: Client, acme: Organization) -> None:
    make.wallet(acme, 10)
    with money.everything(), connections["platform"].cursor() as cursor:
        cursor.execute("SELECT key FROM billing_transfergroup WHERE organization_id = %s", (acme.id,))
        (key,) = cursor.fetchone()

    answer = them.get("/admin/billing/find/", {"q": key}, follow=True)

    assert answer.redirect_chain[0][0].startswith("/admin/billing/transfer/?q=top_up")
    assert answer.status_code == 200


def test_the_journal_is_searched_by_the_id_of_a_charge(them: Client, charged: Any) -> None:
    page = text(them.get("/admin/billing/transfer/", {"q": str(charged)}))

    assert page.count('class="action-select"') or page.count("<tr") >= 3
    assert text(them.get("/admin/billing/transfer/", {"q": str(uuid4())})).count("Acme: wallet") == 0


@pytest.mark.parametrize("address", PAGES)
def test_pages_ask_as_often_for_much_as_for_little(
    address: str, them: Client, charged: Any, acme: Organization
) -> None:
    def asked() -> int:
        them.get(address)
        with Statements() as statements:
            assert them.get(address).status_code == 200
        return len(statements.sent)

    before = asked()
    for number in range(5):
        other = make.wallet(make.organization("Other"), 1_000)
        money.settle(money.hold(other, 500), cost=10 + number)
        money.hold(acme, 10)
    figures.caught_up()

    assert asked() == before


@pytest.mark.parametrize(
    "address",
    [
        "/admin/billing/?first=never&last=2026-99-99",
        "/admin/billing/?period=forever",
        "/admin/billing/?first=2026-11-02&last=2026-11-01",
        "/admin/billing/margin/?by=colour",
        "/admin/billing/settlements/?page=-1&model=&reference=%27%22%3Cscript%3E",
        "/admin/billing/find/?q=%00%27;--",
    ],
)
def test_what_cannot_be_understood_shows_the_present_month(address: str, them: Client, charged: Any) -> None:
    answer = them.get(address)

    assert answer.status_code == 200
    assert "<script>" not in text(answer)


@pytest.mark.parametrize(
    "address",
    [
        "/admin/billing/charges/1/",
        f"/admin/billing/charges/{UUID(int=9)}/",
        "/admin/billing/settlements/?organization=x",
    ],
)
def test_what_is_not_there_is_not_found(address: str, them: Client) -> None:
    assert them.get(address).status_code == 404


@pytest.mark.parametrize("address", ["/admin/billing/", "/admin/billing/margin/", "/admin/billing/find/?q=x"])
def test_figures_are_for_staff_who_may_see_the_journal(address: str, acme: Organization) -> None:
    assert staff(is_superuser=False).get(address).status_code == 403
    assert member(acme).get(address).status_code == 302


@pytest.mark.parametrize(
    ("asked", "first", "last", "before"),
    [
        ({"period": "today"}, "2026-11-25", "2026-11-25", "2026-11-24"),
        ({"period": "week"}, "2026-11-19", "2026-11-25", "2026-11-12"),
        ({"period": "month"}, "2026-11-01", "2026-11-30", "2026-10-01"),
        ({"period": "last_month"}, "2026-10-01", "2026-10-31", "2026-09-01"),
        ({"first": "2026-03-01", "last": "2026-03-31"}, "2026-03-01", "2026-03-31", "2026-02-01"),
        ({"first": "2024-02-10", "last": "2024-02-19"}, "2024-02-10", "2024-02-19", "2024-01-31"),
    ],
)
def test_a_period_is_compared_with_the_one_before(asked: dict[str, str], first: str, last: str, before: str) -> None:
    period = period_of(asked, today=TODAY)

    assert (str(period.first), str(period.last), str(period.before.first)) == (first, last, before)


@pytest.mark.parametrize(("part", "whole", "said"), SHARES)
def test_shares_are_cut_off_and_never_divide_by_nothing(part: int, whole: int, said: str) -> None:
    assert percent(part, whole) == said


def test_a_difference_is_explained_once_and_by_whom(them: Client, acme: Organization) -> None:
    export = reconcile.read_export(["day,model,cost_usd", "2001-02-03,maker/odd,2"])
    reconcile.reconcile(day=date(2001, 2, 3), export=export)
    with money.everything():
        ticket = Discrepancy.objects.get(subject="maker/odd on 2001-02-03")

    address = reverse("admin:billing_discrepancy_explain", args=(ticket.pk,))
    submit(them, address, "explain_form", explanation="Ticket 7: another key of ours.")
    again = submit(them, address, "explain_form", explanation="No, it was me.")

    page = text(them.get(reverse("admin:billing_discrepancy_change", args=(ticket.pk,))))
    report = text(them.get(reverse("admin:billing_reconciliation_change", args=(ticket.reconciliation_id,))))
    assert again.status_code == 302
    assert "Ticket 7" in page
    assert "No, it was me" not in page
    assert "maker/odd" in report
