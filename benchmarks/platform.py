"""The platform as it is measured: one uvicorn process, a database of its own, money on, an agent for each model."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.processes import free_port, running
from benchmarks.streams import System

# One key does all the asking, so its limits are checked and never met.
_LIFTED = {
    "ROBUTLER_REQUESTS_PER_SECOND": "1000000",
    "ROBUTLER_REQUESTS_PER_MINUTE": "1000000",
    "ROBUTLER_REQUESTS_PER_HOUR": "1000000000",
    "ROBUTLER_REQUESTS_PER_DAY": "1000000000",
    "ROBUTLER_TOKENS_PER_MINUTE": "1000000000",
}


@contextmanager
def platform_under_test(upstream: int, *, models: Sequence[str]) -> Generator[System]:
    """Start everything that serves a completion, with agents that think with the upstream's models."""
    with database_under_test() as place:
        environment = {**place, "ROBUTLER_OUTBOUND_ALLOW": f"127.0.0.1:{upstream}", **_LIFTED}
        prepared = _prepare(environment, upstream, models)
        port = free_port()
        with running("manage", "serve", "--port", str(port), port=port, cpu=0, environment=environment) as process_id:
            yield System(
                name="robutler",
                port=port,
                process_id=process_id,
                key=prepared["api_key"],
                models={m: m for m in models},
                payment_token=prepared["payment_token"],
            )


@contextmanager
def database_under_test() -> Generator[dict[str, str]]:
    """A migrated PostgreSQL of its own, for as long as this lasts; the environment of those that use it."""
    var_dir = Path(tempfile.mkdtemp(prefix="robutler-bench-"))
    var_dir.chmod(0o755)  # the database may run as a user of its own
    environment = {
        "ROBUTLER_VAR_DIR": str(var_dir),
        "ROBUTLER_LOG_FORMAT": "json",
        "DJANGO_SETTINGS_MODULE": "robutler_site.settings",
    }
    try:
        _manage(environment, "postgres", "start")
        _manage(environment, "migrate", "--database", "owner", "--verbosity", "0")
        yield environment
    finally:
        _manage(environment, "postgres", "stop")
        shutil.rmtree(var_dir, ignore_errors=True)


def _prepare(environment: dict[str, str], upstream: int, models: Sequence[str]) -> dict[str, str]:
    ended = subprocess.run(  # our own module
        [sys.executable, "-m", "benchmarks.tenant", f"http://127.0.0.1:{upstream}/v1", *models],
        env={**os.environ, **environment},
        check=True,
        capture_output=True,
        text=True,
    )
    prepared: dict[str, str] = json.loads(ended.stdout)
    return prepared


def _manage(environment: dict[str, str], *arguments: str) -> None:
    command = [sys.executable, "manage.py", *arguments]
    subprocess.run(command, env={**os.environ, **environment}, check=True, stdout=subprocess.DEVNULL)
