"""F51: a server whose clock is wrong, by an hour or by a day. Of holds, windows and tokens the database's decides."""

import subprocess
import sys
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tenants.permissions import KEY_PERMISSIONS
from tests import make
from tests.fakes.upstream import Upstream
from tests.live.books import Books
from tests.live.cast import CREDIT_NANOS, PER_RUN_NANOS, Cast, ask, model_on
from tests.live.conftest import Start
from tests.live.server import LiveServer

WRONG_CLOCK = Path(__file__).parents[1] / "fakes" / "wrong_clock"
HOUR_S, DAY_S = 3_600, 86_400
OFF = [DAY_S, -DAY_S, *(pytest.param(hour, marks=pytest.mark.prove) for hour in (HOUR_S, -HOUR_S))]
TOKENS = "/api/v1/billing/payment-tokens"
LIFETIME_S = 600
SWEEP = """
import django
django.setup()
from billing import ledger
print("ready", flush=True)
input()
ledger.sweep_expired()
"""


@pytest.fixture(scope="module", params=OFF, ids=["+1d", "-1d", "+1h", "-1h"])
def wrong_by(request: pytest.FixtureRequest) -> dict[str, str]:
    """What puts the clock of a process wrong."""
    ours = str(Path(make.__file__).parent.parent)
    return {"PYTHONPATH": f"{WRONG_CLOCK}:{ours}", "WRONG_CLOCK_S": str(request.param)}


@pytest.fixture(scope="module")
def wrong(start: Start, wrong_by: dict[str, str]) -> Generator[LiveServer]:
    """A server with such a clock."""
    with start(**wrong_by) as running:
        said = datetime.fromisoformat(httpx.get(f"{running.url}/health").json()["timestamp"])
        apart = (said - datetime.now(UTC)).total_seconds()
        assert abs(apart - float(wrong_by["WRONG_CLOCK_S"])) < 30
        yield running


@pytest.fixture(scope="module")
def echo(cast: Cast) -> str:
    """The address of an agent whose provider does what it is ordered to."""
    return cast.publish(model=model_on("openai", "echo"))


def client_of(live: LiveServer, key: str, **headers: str) -> httpx.Client:
    return httpx.Client(base_url=live.url, headers={"Authorization": f"Bearer {key}", **headers}, timeout=60)


def body(address: str, words: str, **fields: Any) -> dict[str, Any]:
    return {"model": address, "messages": ask(words), **fields}


@pytest.fixture
def look(database_urls: dict[str, str]) -> Generator[psycopg.Connection[Any]]:
    """Looks past all walls."""
    with psycopg.connect(database_urls["owner"].replace("robutler_owner", "postgres"), autocommit=True) as connection:
        yield connection


def test_f51_a_hold_lives_as_long_as_its_heart_beats_whatever_a_server_takes_the_time_for(
    wrong: LiveServer, wrong_by: dict[str, str], site_environment: dict[str, str], cast: Cast, books: Books,
    upstream: Upstream, echo: str, look: psycopg.Connection[Any],
) -> None:  # fmt: skip
    left = "SELECT extract(epoch FROM expires_at - clock_timestamp())::float, state FROM billing_hold WHERE id = %s"
    request = body(echo, "/count-20:pace=100", stream=True)

    sweeper = subprocess.Popen(
        [sys.executable, "-c", SWEEP],
        env={**site_environment, **wrong_by},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert sweeper.stdout is not None
    assert sweeper.stdout.readline() == b"ready\n"
    with (
        client_of(wrong, cast.globex_key) as client,
        client.stream("POST", "/v1/chat/completions", json=request) as run,
    ):
        run_id, lines = run.headers["x-robutler-run-id"], run.iter_lines()
        next(lines)
        sweeper.communicate(b"\n", timeout=60)
        found = look.execute(left, [run_id]).fetchone()
        rest = list(lines)

    assert found is not None
    assert sweeper.returncode == 0
    assert (0 < found[0] <= 61, found[1]) == (True, "open")
    assert rest[-2] == "data: [DONE]"
    assert books.charged(run_id) == PER_RUN_NANOS + 20 * 1_000_000
    settled = "SELECT abs(extract(epoch FROM now() - created_at)) < 30 FROM billing_settlement WHERE hold_id = %s"
    assert look.execute(settled, [run_id]).fetchone() == (True,)


def test_f51_a_day_of_a_budget_is_the_databases_day(
    wrong: LiveServer, live: LiveServer, echo: str, look: psycopg.Connection[Any]
) -> None:
    frugal = make.wallet(make.organization("Frugal"), CREDIT_NANOS)
    make.budget(frugal, 80 * 1_000_000)
    key = make.key(frugal)

    with client_of(wrong, key) as early, client_of(live, key) as right:
        statuses = [
            client.post("/v1/chat/completions", json=body(echo, "/count-10", max_tokens=10)).status_code
            for client in (early, right) * 5
        ]

    windows = look.execute(
        "SELECT w.starts_at <= now() AND now() < w.ends_at, w.spent FROM billing_budgetwindow w "
        "JOIN billing_budget b ON b.id = w.budget_id WHERE b.organization_id = %s",
        [frugal.id],
    ).fetchall()
    served = statuses.count(200)
    assert statuses == [200] * served + [402] * (10 - served)
    assert 0 < served < 10
    assert windows == [(True, served * (PER_RUN_NANOS + 10 * 1_000_000))]


def test_f51_a_token_is_good_for_its_time_by_the_databases_clock(
    wrong: LiveServer, live: LiveServer, echo: str, look: psycopg.Connection[Any]
) -> None:
    payer = make.wallet(make.organization("Payer"), CREDIT_NANOS)
    key = make.key(payer, permissions=sorted(KEY_PERMISSIONS))
    asked = {"cap_nanos": str(CREDIT_NANOS), "expires_in_s": LIFETIME_S}
    with client_of(wrong, key) as client:
        token = client.post(TOKENS, json=asked).raise_for_status().json()
    left = "SELECT extract(epoch FROM expires_at - now())::float FROM billing_paymenttoken WHERE id = %s"

    def paid() -> list[tuple[int, str]]:
        answers = []
        for server in (wrong, live):
            with client_of(server, key, **{"X-Payment-Token": token["token"]}) as client:
                answer = client.post("/v1/chat/completions", json=body(echo, "/count-3"))
            answers.append((answer.status_code, answer.json().get("error", {}).get("code", "")))
        return answers

    found = look.execute(left, [token["id"]]).fetchone()
    in_time = paid()
    with look.transaction():
        look.execute("SET LOCAL session_replication_role = replica")
        look.execute("UPDATE billing_paymenttoken SET expires_at = now() WHERE id = %s", [token["id"]])
    late = paid()

    assert found is not None
    assert LIFETIME_S - 30 < found[0] <= LIFETIME_S
    assert in_time == [(200, "")] * 2
    assert late == [(402, "payment_token_expired")] * 2
