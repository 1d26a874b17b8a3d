"""Pictures of every page of both sites: `python -m tests.e2e.screenshots DIRECTORY`, or `--help`.

Without an address it starts the platform with its demonstration in a directory of its own, makes a few calls so that
there is something to see, and stops it again.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import httpx
from openai import OpenAI
from playwright.sync_api import Page

from tests.e2e.browser import SIZES, browser, open_page, sign_in

ROOT: Final = Path(__file__).resolve().parents[2]
START_SECONDS: Final = 180.0
SCHEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")
QUESTIONS: Final = ("What is 17 * 23?", "What time is it?", "Hello!")


@dataclass(frozen=True, kw_only=True)
class Place:
    """A running platform and who may look at it."""

    base_url: str
    member: str
    staff: str
    password: str


def main() -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path, help="Where the pictures go.")
    parser.add_argument("--base-url", help="A running platform (default: start one).")
    parser.add_argument("--email", default="owner@acme.example", help="A member of an organization.")
    parser.add_argument("--staff-email", default="admin@robutler.example", help="A member of staff.")
    parser.add_argument("--password", help="The password of both.")
    parser.add_argument("--only", default="", help="Only pages whose name contains this.")
    asked = parser.parse_args()
    if asked.base_url:
        place = Place(
            base_url=asked.base_url.rstrip("/"), member=asked.email, staff=asked.staff_email, password=asked.password
        )
        take(place, asked.directory, only=asked.only)
    else:
        with demonstration() as place:
            take(place, asked.directory, only=asked.only)


def take(place: Place, directory: Path, *, only: str = "") -> None:
    """Every page in every scheme and size, and a report of pages wider than their window."""
    directory.mkdir(parents=True, exist_ok=True)
    with browser() as chromium:
        for site, email in (("console", place.member), ("admin", place.staff)):
            page, complaints = open_page(chromium, place.base_url)
            _shoot(page, f"/{site}/login/", directory / f"{site}-login")
            sign_in(page, f"/{site}/", email=email, password=place.password)
            for name, address in _addresses(page, site).items():
                if only in name:
                    _shoot(page, address, directory / f"{site}-{name}")
            for said in dict.fromkeys((*complaints.errors, *complaints.strangers)):
                print(f"{site}: {said}")  # noqa: T201 - the report of this command


def _shoot(page: Page, address: str, path: Path) -> None:
    for scheme in SCHEMES:
        for size, (width, height) in SIZES.items():
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size({"width": width, "height": height})
            page.goto(address)
            wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            if wide > 0:
                print(f"{address} ({size}): {wide} px wider than its window")  # noqa: T201 - the report of this command
            page.screenshot(path=f"{path}-{scheme}-{size}.png", full_page=True)


def _addresses(page: Page, site: str) -> dict[str, str]:
    """The home page, and of every model in the sidebar its list, its form and its first row."""
    found = {"home": f"/{site}/"}
    if site == "console":
        found |= {"skills": "/console/skills/", "skill": "/console/skills/long_term_memory/"}
        found["templates"] = "/console/templates/"
    links = page.eval_on_selector_all(
        "#nav-sidebar a, aside a", "links => links.map(link => link.getAttribute('href'))"
    )
    apps = tuple(f"/{site}/{app}/" for app in ("agents", "tenants", "billing"))
    lists = [link for link in dict.fromkeys(links) if link and link.startswith(apps) and link.count("/") == 4]
    for address in lists:
        name = address.strip("/").rpartition("/")[2]
        found[name] = address
        page.goto(address)
        add = f"{address}add/"
        if page.locator(f"a[href^='{add}']").count():
            found[f"{name}-add"] = add
        first = page.locator("#result_list tbody tr th a")
        if first.count():
            row = str(first.first.get_attribute("href")).partition("?")[0]
            found |= {f"{name}-change": row, f"{name}-history": row.replace("/change/", "/history/")}
            if name == "charge":
                found["chain"] = row.replace("/charge/", "/charges/").removesuffix("change/")
            if name == "account" and site == "admin":
                found["account-enter"] = _wallet(page, address).replace("/change/", "/enter/")
    return found


def _wallet(page: Page, address: str) -> str:
    page.goto(f"{address}?kind__exact=wallet")
    return str(page.locator("#result_list tbody tr th a").first.get_attribute("href")).partition("?")[0]


@contextmanager
def demonstration() -> Generator[Place]:
    """The platform with its demonstration and a few runs, for as long as it is looked at."""
    with tempfile.TemporaryDirectory(prefix="robutler-screenshots-") as directory:
        environment = {**os.environ, "ROBUTLER_VAR_DIR": directory, "PYTHONUNBUFFERED": "1"}
        with (Path(directory) / "up.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "manage.py", "up", "--port", "8890"],
                cwd=ROOT,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            yield _prepared(Path(directory) / "demo.json")
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)


def _prepared(path: Path) -> Place:
    deadline = time.monotonic() + START_SECONDS
    while not _is_ready(path):
        if time.monotonic() > deadline:
            raise TimeoutError(f"The platform did not start; see {path.parent / 'up.log'}.")
        time.sleep(0.5)
    demo = json.loads(path.read_text())
    with OpenAI(base_url=demo["base_url"], api_key=demo["api_key"]) as client:
        for question in QUESTIONS:
            client.chat.completions.create(model=demo["model"], messages=[{"role": "user", "content": question}])
    return Place(
        base_url=demo["base_url"].removesuffix("/v1"),
        member="owner@acme.example",
        staff=demo["admin_user"],
        password=demo["admin_password"],
    )


def _is_ready(path: Path) -> bool:
    try:
        base_url = json.loads(path.read_text())["base_url"].removesuffix("/v1")
        return httpx.get(f"{base_url}/ready", timeout=2).status_code == 200
    except (OSError, ValueError, httpx.TransportError):
        return False


if __name__ == "__main__":
    main()
