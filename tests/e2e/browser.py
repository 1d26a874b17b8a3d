"""Debian's Chromium, driven by Playwright, that hears everything a page complains about."""

import shutil
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

CHROMIUM: Final = shutil.which("chromium")
FLAGS: Final = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
SIZES: Final = {"desktop": (1440, 900), "phone": (390, 844)}


@dataclass(kw_only=True)
class Complaints:
    """What went wrong on the pages: console errors (broken policies among them) and requests to other hosts."""

    errors: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)


@contextmanager
def browser() -> Generator[Browser]:
    """A headless Chromium of its own."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield chromium
        chromium.close()


def open_page(
    chromium: Browser, base_url: str, *, scheme: Literal["light", "dark"] = "light", size: str = "desktop"
) -> tuple[Page, Complaints]:
    """A page of a fresh profile, and what it will complain about."""
    width, height = SIZES[size]
    context = chromium.new_context(base_url=base_url, color_scheme=scheme, viewport={"width": width, "height": height})
    page, complaints = context.new_page(), Complaints()
    host = urlsplit(base_url).netloc

    def listen(message: ConsoleMessage) -> None:
        if message.type == "error":
            complaints.errors.append(f"{message.text} ({message.location.get('url', '')})")

    def watch(request: Request) -> None:
        if urlsplit(request.url).scheme in {"http", "https", "ws"} and urlsplit(request.url).netloc != host:
            complaints.strangers.append(request.url)

    page.on("console", listen)
    page.on("pageerror", lambda error: complaints.errors.append(str(error)))
    page.on("request", watch)
    return page, complaints


def sign_in(page: Page, path: str, *, email: str, password: str) -> None:
    """Sign in at one of the two sites."""
    page.goto(path)
    page.fill("input[name=username]", email)
    page.fill("input[name=password]", password)
    page.click("button[type=submit]")
    page.wait_for_load_state("networkidle")
