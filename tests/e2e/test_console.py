"""The way from signing in to a paid reply, in a real browser against a real server, with the SDK in between."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from openai import OpenAI
from playwright.sync_api import Browser, Page

from tests import make
from tests.e2e.browser import Complaints, browser, open_page, sign_in
from tests.live.server import LiveServer

pytestmark = pytest.mark.browser
PASSWORD = "correct horse battery staple"
SOON_S = 1.0


@pytest.fixture
def chromium() -> Iterator[Browser]:
    """Asked for last: Playwright keeps an event loop running, beside which Django's rows cannot be made."""
    with browser() as running:
        yield running


@pytest.fixture
def owner(acme: Any) -> str:
    """The address of Acme's owner, who has money to spend."""
    from tenants.roles import Role

    make.wallet(acme, 10**9)
    person = make.user(password=PASSWORD)
    make.member(acme, Role.OWNER, person=person)
    return person.email


@pytest.fixture
def acme_key(acme: Any) -> str:
    """A key of Acme's."""
    return make.key(acme)


@pytest.fixture
def employee(database: None) -> str:
    """The address of a superuser."""
    return make.user(password=PASSWORD, is_staff=True, is_superuser=True).email


def create_agent(page: Page, slug: str, *, skills: tuple[str, ...] = ("calculator", "clock")) -> None:
    """Fill in the form for a new agent and publish it."""
    page.goto("/console/agents/agent/add/")
    page.fill("#id_slug", slug)
    page.fill("#id_name", "Clerk")
    page.fill("#id_model", "scripted/persona")
    page.fill("#id_instructions", "Do every sum with the calculator.")
    for skill in skills:
        page.check(f"[name='{skill}.enabled']")
    page.get_by_text("Price", exact=True).first.click()
    page.fill("#id_price_per_run_nanos", "0.0025")
    page.click("button:has-text('Save and publish')")
    page.wait_for_selector("text=callers reach it now")


def create_key(page: Page, name: str) -> str:
    """Issue a key; answers its text, as the page shows it."""
    page.goto("/console/tenants/apikey/add/")
    page.fill("#id_name", name)
    page.click("button:has-text('Issue key')")
    return str(page.text_content("#secret")).strip()


def reply_of(base_url: str, key: str, agent: str, words: str) -> str:
    with OpenAI(base_url=f"{base_url}/v1", api_key=key, max_retries=0) as client:
        answer = client.chat.completions.create(model=agent, messages=[{"role": "user", "content": words}])
    return answer.choices[0].message.content or ""


def complaints(*heard: Complaints) -> list[str]:
    return [said for each in heard for said in (*each.errors, *each.strangers)]


def test_from_signing_in_to_a_paid_reply(
    site: LiveServer, acme: Any, owner: str, employee: str, chromium: Browser
) -> None:
    agent = make.unique("clerk")
    member, heard = open_page(chromium, site.url)
    sign_in(member, "/console/", email=owner, password=PASSWORD)
    create_agent(member, agent)
    key = create_key(member, "laptop")

    reply = reply_of(site.url, key, agent, "What is 17 * 23?")

    _wait_for_run(member, agent)
    run = member.inner_text("#content")
    staff, heard_too = open_page(chromium, site.url)
    sign_in(staff, "/admin/", email=employee, password=PASSWORD)
    journal = _top_up(staff, acme, amount="12.5")
    assert "391" in reply
    assert "$0.0025" in run
    assert "Agent's price: $0.0025, in whole nanodollars" in run
    assert "Finished" in run
    assert "$12.50" in journal
    assert complaints(heard, heard_too) == []


def test_the_slug_is_suggested_by_the_name(site: LiveServer, owner: str, chromium: Browser) -> None:
    page, heard = open_page(chromium, site.url)
    sign_in(page, "/console/", email=owner, password=PASSWORD)

    page.goto("/console/agents/agent/add/")
    page.locator("#id_name").press_sequentially("My First Agent")

    assert page.input_value("#id_slug") == "my-first-agent"
    assert complaints(heard) == []


def test_the_key_can_be_copied(site: LiveServer, owner: str, chromium: Browser) -> None:
    page, heard = open_page(chromium, site.url)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    sign_in(page, "/console/", email=owner, password=PASSWORD)
    key = create_key(page, "laptop")

    page.click("[data-copies=secret]")
    page.wait_for_selector("text=Copied")

    assert page.evaluate("navigator.clipboard.readText()") == key
    assert complaints(heard) == []


def test_what_is_published_on_one_process_answers_on_another_within_a_second(
    start: Callable[[], LiveServer], site: LiveServer, owner: str, acme_key: str, chromium: Browser
) -> None:
    slug = make.unique("clerk")
    page, _ = open_page(chromium, site.url)
    sign_in(page, "/console/", email=owner, password=PASSWORD)
    with start() as second, OpenAI(base_url=f"{second.url}/v1", api_key=acme_key, max_retries=0) as client:
        create_agent(page, slug)
        first_s = _answers_after(client, slug, "391")
        page.check("[name='scripted.enabled']")
        page.uncheck("[name='calculator.enabled']")
        page.click("button:has-text('Save and publish')")
        page.wait_for_selector("text=Published as v2")
        second_s = _answers_after(client, slug, "391", is_wanted=False)

    assert max(first_s, second_s) < SOON_S


def _answers_after(client: OpenAI, agent: str, wanted: str, *, is_wanted: bool = True) -> float:
    """Seconds until a call is answered as the newest version answers."""
    from openai import NotFoundError

    started_at = time.monotonic()
    while time.monotonic() < started_at + 10 * SOON_S:
        try:
            answer = client.chat.completions.create(
                model=agent, messages=[{"role": "user", "content": "What is 17 * 23?"}]
            )
        except NotFoundError:
            continue
        if (wanted in (answer.choices[0].message.content or "")) == is_wanted:
            break
    return time.monotonic() - started_at


def _wait_for_run(page: Page, agent: str) -> None:
    """Open the run of the agent, which is written behind the reply."""
    for _ in range(50):
        page.goto("/console/agents/run/")
        if page.locator(f"#result_list >> text={agent}").count():
            break
        page.wait_for_timeout(100)
    page.click("#result_list tbody tr th a")
    page.wait_for_selector("text=Transfers")


def _top_up(page: Page, organization: Any, *, amount: str) -> str:
    """Let money in; answers what the journal says then."""
    page.goto(f"/admin/billing/account/?q={organization.slug}&kind__exact=wallet")
    page.click("#result_list tbody tr th a")
    page.click("a:has-text('Top up')")
    page.fill("#id_amount", amount)
    page.fill("#id_reference", "bank 4711")
    page.click("button:has-text('Credit the wallet')")
    page.wait_for_selector("text=credited to")
    page.goto("/admin/billing/transfer/")
    return page.inner_text("#result_list")
