"""Where every test begins: an environment of its own, one PostgreSQL for the run, one database for each worker."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import django
import psycopg
import pytest
from django.conf import settings

from robutler_site import database as embedded

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "main")
SETTINGS = "robutler_site.settings"
TEMPLATE = "robutler_template"
ROLES = {"app": "DATABASE_URL", "platform": "DATABASE_PLATFORM_URL", "owner": "DATABASE_OWNER_URL"}
VARIABLES_OF_OTHERS = ("REDIS_URL", "CELERY_BROKER_URL", "SECRET_KEY", "OPENAI_API_KEY", "OPENAI_BASE_URL")

if WORKER == "main":  # workers inherit the name of the run from the process that starts them
    os.environ["ROBUTLER_TEST_RUN"] = f"{os.getpid()}-{uuid4().hex[:8]}"
HOME = Path(tempfile.gettempdir()) / f"robutler-test-{os.environ['ROBUTLER_TEST_RUN']}"
SERVER = embedded.embedded_server(
    HOME / "postgres", options={"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
)


# Tests that are not about limits never meet one; those that are lower a key's, or start a server with the defaults.
LIFTED = {
    "ROBUTLER_REQUESTS_PER_SECOND": "100000",
    "ROBUTLER_REQUESTS_PER_MINUTE": "1000000",
    "ROBUTLER_REQUESTS_PER_HOUR": "10000000",
    "ROBUTLER_REQUESTS_PER_DAY": "100000000",
    "ROBUTLER_TOKENS_PER_MINUTE": "1000000000",
    "ROBUTLER_READS_PER_MINUTE": "1000000",
}


def _environment() -> dict[str, str]:
    return {
        **LIFTED,
        "ROBUTLER_ENV": "test",
        "ROBUTLER_VAR_DIR": str(HOME / "var" / WORKER),
        **{name: SERVER.dsn(role=f"robutler_{role}", database=f"robutler_{WORKER}") for role, name in ROLES.items()},
    }


if settings.configured:
    raise pytest.UsageError("Unset DJANGO_SETTINGS_MODULE, here and in pytest's settings: tests/conftest.py sets it.")
for _name in [name for name in os.environ if name.startswith("ROBUTLER_") and name != "ROBUTLER_TEST_RUN"]:
    del os.environ[_name]
for _name in VARIABLES_OF_OTHERS:
    os.environ.pop(_name, None)
os.environ.update(_environment())


def pytest_configure() -> None:
    """Load Django once its environment is set; workers have to come here by themselves, so they inherit no settings."""
    if WORKER == "main":
        _sweep()
    os.environ["DJANGO_SETTINGS_MODULE"] = SETTINGS
    django.setup()
    del os.environ["DJANGO_SETTINGS_MODULE"]


def pytest_unconfigure() -> None:
    """Stop the server once the last worker is done."""
    if WORKER == "main":
        _remove(HOME, SERVER)


@pytest.fixture(scope="session")
def database(django_db_blocker: Any) -> Generator[None]:
    """A migrated database of this worker's own. Tests commit for real and never empty it."""
    from django.db import connections

    from tenants import notify

    with django_db_blocker.unblock():
        with _locked():
            SERVER.start()
            _migrate_template()
        _clone_template()
        yield
        notify.stop_listener()
        for connection in connections.all():
            connection.close()
            connection.close_pool()  # type: ignore[attr-defined]


@pytest.fixture(scope="session")
def database_urls(database: None) -> dict[str, str]:
    """The database's addresses for child processes, by role: app, platform, owner."""
    return {role: os.environ[name] for role, name in ROLES.items()}


@pytest.fixture(scope="session")
def site_environment(database: None) -> dict[str, str]:
    """The environment for a child `manage.py` or server that is to work on the database of this worker."""
    from tests import make

    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "ROBUTLER_TEST"))}
    return {
        **kept,
        **_environment(),
        "DJANGO_SETTINGS_MODULE": SETTINGS,
        "PYTHONPATH": str(Path(make.__file__).parent.parent),
    }


@pytest.fixture
def acme(database: None) -> Any:
    """Us."""
    from tests import make

    return make.organization("Acme")


@pytest.fixture
def globex(database: None) -> Any:
    """The neighbour, who must never see our things."""
    from tests import make

    return make.organization("Globex")


def _migrate_template() -> None:
    migrated = HOME / "migrated"
    if migrated.exists():
        return
    from django.core.management import call_command
    from django.db import connections

    embedded.ensure_database(SERVER.dsn(role="postgres", database="postgres"), TEMPLATE)
    owner = connections["owner"]
    name, owner.settings_dict["NAME"] = owner.settings_dict["NAME"], TEMPLATE
    call_command("migrate", database="owner", verbosity=0, interactive=False)
    owner.close()
    owner.settings_dict["NAME"] = name
    migrated.touch()


def _clone_template() -> None:
    with _locked(), psycopg.connect(SERVER.dsn(role="postgres", database="postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE robutler_{WORKER} TEMPLATE {TEMPLATE} STRATEGY file_copy")


@contextmanager
def _locked() -> Iterator[None]:
    HOME.mkdir(exist_ok=True)
    HOME.chmod(0o755)
    with (HOME / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _sweep() -> None:
    """Remove what runs that were killed have left behind."""
    for home in HOME.parent.glob("robutler-test-*"):
        pid = home.name.split("-")[2]
        if pid.isdecimal() and not Path(f"/proc/{pid}").exists() and os.access(home, os.W_OK):
            with suppress(OSError, subprocess.CalledProcessError):  # another run is sweeping too
                _remove(home, embedded.embedded_server(home / "postgres"))


def _remove(home: Path, server: embedded.EmbeddedServer) -> None:
    server.stop()
    for directory in {server.socket_dir, server.data_dir, home}:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def company(settings: Any, database: None) -> Generator[Any]:
    """A company that collects card payments, which this platform is set up with."""
    from tests.billing.cards import card_company

    with card_company(settings) as fake:
        yield fake
