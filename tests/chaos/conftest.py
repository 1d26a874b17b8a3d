"""A deployment for the storm: its database, its provider, and who calls whom."""

import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from skills import registry
from tests.chaos.callers import Cast
from tests.chaos.deployment import Deployment, deployment
from tests.fakes.installed import installed
from tests.live.cast import CREDIT_NANOS, PER_RUN_NANOS
from tests.live.own_database import OwnDatabase, own_database

POOR_NANOS = 300_000_000


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What the storm comes over."""

    deployment: Deployment
    database: OwnDatabase
    superuser: str
    cast: Cast
    truth: Path
    truth_of_trees: Path
    room: Path


@pytest.fixture
def stage(
    database_urls: dict[str, str], site_environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Generator[Stage]:
    """Everything, ready to be started."""
    packages = _with_stall(tmp_path / "packages", monkeypatch)
    with _provider(tmp_path / "truth") as port:
        payer, cast = _cast(port)
        environment = {
            **site_environment,
            "PYTHONPATH": f"{packages}:{site_environment['PYTHONPATH']}",
            "ROBUTLER_OUTBOUND_ALLOW": f"127.0.0.1:{port}",
            "ROBUTLER_MODEL_FAILURES": "10000",
        }
        with own_database(database_urls) as database:
            trees = tmp_path / "trees"
            yield Stage(
                deployment=deployment(database, environment, tmp_path, trees_for=str(payer.id), truth=trees),
                database=database,
                superuser=database.server.dsn(role="postgres"),
                cast=cast,
                truth=tmp_path / "truth",
                truth_of_trees=trees,
                room=tmp_path,
            )


@contextmanager
def _provider(truth: Path) -> Iterator[int]:
    command = [sys.executable, "-m", "tests.fakes.upstream", "--lean", "--truth", str(truth)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline())
        process.kill()


def _with_stall(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have the skill of the stall installed, here and wherever the folder is on the path."""
    installed(folder, stall="tests.fakes.stall:StallSkill")
    monkeypatch.syspath_prepend(str(folder))
    registry._known.cache_clear()
    return folder


def _cast(port: int) -> tuple[Any, Cast]:
    import outbound
    from agents.services.drafts import SkillChoice
    from skills.sdk import Secret
    from tenants.context import platform_context
    from tenants.services import store_credential
    from tests import make

    url = f"http://127.0.0.1:{port}/v1"
    outbound.configure(allow=[f"127.0.0.1:{port}"])
    with platform_context(reason="a provider for tests"):
        store_credential(
            organization_id=None, provider="openai", secret=Secret("sk-chaos"),  # type: ignore[arg-type]
            base_url=url, unpriced_allowed=True,
        )  # fmt: skip
    owner = make.organization("Owner")
    payer, poor = make.wallet(make.organization("Payer"), 10_000 * CREDIT_NANOS), make.organization("Poor")
    make.wallet(poor, POOR_NANOS)

    def published(*skills: SkillChoice) -> str:
        agent = make.published(
            owner, model="openai/echo", visibility="public", skills=list(skills), price_per_run_nanos=PER_RUN_NANOS,
            output_price_pico=1_000_000_000,
        )  # fmt: skip
        return f"{owner.slug}/{agent.slug}"

    return payer, Cast(
        plain=published(), tool=published(SkillChoice(skill="stall")), key=make.key(payer), poor_key=make.key(poor)
    )
