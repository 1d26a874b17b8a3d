"""The page of the API's document, in a real browser under its real policy."""

from pathlib import Path

import pytest

from tests.e2e.browser import browser, open_page
from tests.live.server import LiveServer

pytestmark = pytest.mark.browser


def test_the_document_can_be_read_and_nothing_strange_is_loaded(site: LiveServer, tmp_path: Path) -> None:
    with browser() as chromium:
        page, complaints = open_page(chromium, site.url)
        page.goto("/v1/docs")
        page.wait_for_selector(".opblock")
        addresses = [" ".join(text.split()) for text in page.locator(".opblock-summary-path").all_inner_texts()]
        page.locator(".opblock", has_text="/v1/estimate").first.click()
        page.wait_for_selector(".opblock-body")
        opened = page.locator(".opblock.is-open").inner_text()
        page.screenshot(path=tmp_path / "api.png", full_page=True)

    assert "/v1/chat/completions" in [address.replace("\u200b", "") for address in addresses]
    assert "Nothing runs, nothing is charged." in opened
    assert complaints.errors == []
    assert complaints.strangers == []
