"""One server process and one upstream for all live tests, and the cast that uses them."""

import os
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from tests.fakes.upstream import Upstream
from tests.live.books import Books
from tests.live.cast import CREDIT_NANOS, PROVIDER, Cast
from tests.live.server import LiveServer

collect_ignore = ["clients", "mcp", "node"]  # what runs there runs in environments of its own

Start = Callable[..., LiveServer]


@pytest.fixture(scope="session")
def upstream() -> Generator[Upstream]:
    """A provider that sells counting at one number every few milliseconds."""
    with Upstream() as running:
        yield running


@pytest.fixture(scope="session")
def start(site_environment: dict[str, str], upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Start:
    """Makes further servers; whoever asks for one enters it."""
    directory = tmp_path_factory.mktemp("servers")
    number = iter(range(100))

    # One upstream plays every part: that it fails in one test is no reason to leave it alone in the next.
    usual = {
        "ROBUTLER_OUTBOUND_ALLOW": upstream.address,
        "ROBUTLER_MODEL_FAILURES": "10000",
        "ROBUTLER_MODEL_REFUSED_REST_S": "0",
        "kind": os.environ.get("LIVE_SERVER", "uvicorn"),
    }

    def make_server(**options: str) -> LiveServer:
        log: Path = directory / f"server-{next(number)}.log"
        return LiveServer(site_environment, log, **{**usual, **options})  # type: ignore[arg-type]

    return make_server


@pytest.fixture(scope="session")
def live(start: Start) -> Generator[LiveServer]:
    """The server that most tests share."""
    with start() as running:
        yield running


@pytest.fixture(scope="session")
def cast(database: None, upstream: Upstream) -> Cast:
    """Acme, whose agents are public, and Globex, who calls and pays for them."""
    from skills.sdk import Secret
    from tenants.context import platform_context
    from tenants.services import store_credential
    from tests import make

    acme, globex = make.organization("Acme"), make.organization("Globex")
    for organization in (acme, globex):
        make.wallet(organization, CREDIT_NANOS)
    with platform_context(reason="a provider for tests"):
        store_credential(
            organization_id=None,
            provider=PROVIDER,
            secret=Secret("sk-upstream-test"),  # type: ignore[arg-type]
            base_url=upstream.base_url,
            unpriced_allowed=True,
        )
    return Cast(
        acme=acme,
        globex=globex,
        acme_key=make.key(acme),
        globex_key=make.key(globex),
        upstream_url=upstream.base_url,
    )


@pytest.fixture(scope="session")
def persona(cast: Cast) -> str:
    """The address of an agent that is the scripted persona."""
    return cast.talker()


@pytest.fixture(scope="session")
def echo(cast: Cast) -> str:
    """The address of an agent whose provider does what the user orders, or repeats it."""
    return cast.talker("openai")


@pytest.fixture(scope="session")
def books(database_urls: dict[str, str]) -> Books:
    """The books, for whoever wants to look into them."""
    return Books(database_urls["owner"].replace("robutler_owner", "postgres"))
