"""From the margin of this month to a single transfer in four clicks, in a real browser, with sums that add up."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from billing.lines import Line
from tests import make
from tests.billing import figures, money
from tests.e2e.browser import browser, open_page, sign_in
from tests.live.server import LiveServer

pytestmark = pytest.mark.browser
PASSWORD = "correct horse battery staple"
MOST_CLICKS = 4


@dataclass(kw_only=True)
class Visitor:
    """Somebody at a page, whose clicks are counted."""

    page: Page
    clicks: list[str] = field(default_factory=list)

    def click(self, selector: str) -> None:
        """Follow one link."""
        self.clicks.append(selector)
        self.page.locator(selector).first.click()
        self.page.wait_for_load_state()

    def nanos(self, selector: str) -> list[int]:
        """The amounts there."""
        return [int(each.get_attribute("data-nanos") or "") for each in self.page.locator(selector).all()]


@pytest.fixture
def chromium() -> Iterator[Browser]:
    """Asked for last: Playwright keeps an event loop running, beside which Django's rows cannot be made."""
    with browser() as running:
        yield running


@pytest.fixture
def charged(acme: Any, globex: Any) -> Any:
    """Three settled charges; the model of the last one has no other. Answers its id and the model."""
    make.wallet(acme, 10**9)
    last: Any = None
    for cost, model in ((1_000, "maker/one"), (2_500, "maker/one"), (7_001, make.unique("maker/two"))):
        line = Line(
            part="cost",
            sku=model,
            unit="output",
            quantity=cost,
            price_pico=1_000,
            amount_pico=cost * 1_000,
            source="provider",
        )
        last = money.hold(acme, 10**6, creator=globex), model
        bill = (line, money.flat("markup", 40), money.flat("fee", 250))
        money.settle(last[0], cost=cost, markup=40, fee=250, lines=bill)
    figures.caught_up()
    return last


@pytest.fixture
def employee(database: None) -> str:
    """The address of a superuser."""
    return make.user(password=PASSWORD, is_staff=True, is_superuser=True).email


def test_from_the_margin_of_this_month_to_a_transfer(
    site: LiveServer, charged: Any, employee: str, chromium: Browser
) -> None:
    page, heard = open_page(chromium, site.url)
    sign_in(page, "/admin/", email=employee, password=PASSWORD)
    page.goto("/admin/billing/")
    visitor = Visitor(page=page)
    id, model = charged
    (month,) = visitor.nanos("div:has(> dt:text-is('Gross margin')) > dd[data-nanos]")
    page.goto("/admin/")

    visitor.click("div:has(> dt:text-is('Margin this month')) a")
    days, of_days = visitor.nanos("#parts tbody [data-nanos]"), visitor.nanos("#parts tfoot [data-nanos]")
    (day,) = visitor.nanos("#parts tbody tr:last-child [data-nanos]")
    visitor.click("#parts tbody tr:last-child a")
    models, of_models = visitor.nanos("#parts tbody [data-nanos]"), visitor.nanos("#parts tfoot [data-nanos]")
    (of_model,) = visitor.nanos(f"#parts tr:has(a:text-is('{model}')) [data-nanos]")
    visitor.click(f"#parts a:text-is('{model}')")
    settlements = visitor.nanos("#parts tbody [data-nanos]")
    visitor.click("#parts tbody a")

    transfers = visitor.nanos("#transfers [data-nanos]")
    assert len(visitor.clicks) <= MOST_CLICKS
    assert [month] == [sum(days)] == of_days
    assert [day] == [sum(models)] == of_models
    assert of_model == sum(settlements) == 250
    assert sorted(transfers) == [40, 7_001, 7_251]
    assert str(id) in page.inner_text("#transfers")
    assert (heard.errors, heard.strangers) == ([], [])


@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_no_page_of_figures_is_wider_than_its_window(
    size: str, site: LiveServer, charged: Any, employee: str, chromium: Browser
) -> None:
    page, heard = open_page(chromium, site.url, size=size, scheme="dark")
    sign_in(page, "/admin/", email=employee, password=PASSWORD)

    for address in ("", "margin/", "settlements/", f"charges/{charged[0]}/", "find/?q=x"):
        page.goto(f"/admin/billing/{address}")
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert (address, wide) == (address, 0)
    assert (heard.errors, heard.strangers) == ([], [])
