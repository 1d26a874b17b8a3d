"""Server processes for a real browser."""

from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from tests.e2e.browser import CHROMIUM
from tests.live.server import LiveServer


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out, by name, what needs a browser that is not there."""
    for item in items:
        if CHROMIUM is None and item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.skip(reason="Chromium is not installed (apt-get install chromium)."))


@pytest.fixture(scope="session")
def start(site_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Callable[[], LiveServer]:
    """Makes servers; whoever asks for one enters it."""
    directory = tmp_path_factory.mktemp("servers")
    number = iter(range(100))

    def make_server() -> LiveServer:
        log: Path = directory / f"server-{next(number)}.log"
        return LiveServer(site_environment, log)

    return make_server


@pytest.fixture(scope="session")
def site(start: Callable[[], LiveServer]) -> Generator[LiveServer]:
    """The server that most tests share."""
    with start() as running:
        yield running
