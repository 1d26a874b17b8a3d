"""What importing a thing drags in, seen from a fresh interpreter."""

import subprocess
import sys

import pytest

from tests.architecture.sources import ROOT

HEAVY = ("asgiref", "billing", "celery", "django", "litellm", "psycopg", "tenants")


def loaded_by(statement: str) -> set[str]:
    """The top-level modules in memory after `statement` ran in an interpreter of its own."""
    finished = subprocess.run(
        (sys.executable, "-c", f"{statement}\nimport sys\nprint(*sorted({{n.split('.')[0] for n in sys.modules}}))"),
        cwd=ROOT,
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )
    assert finished.returncode == 0, finished.stderr
    return set(finished.stdout.split())


@pytest.mark.parametrize("statement", ["import skills.sdk", "import agents.runtime.loop", "import outbound"])
def test_plain_python_stays_plain(statement: str) -> None:
    assert loaded_by(statement).isdisjoint(HEAVY)


def test_finding_a_skill_leaves_its_vendor_alone() -> None:
    statement = "from skills import registry\nregistry.skill_class('openai')\nregistry.skill_class('litellm')"

    assert loaded_by(statement).isdisjoint(HEAVY)


def test_a_heavy_import_is_seen() -> None:
    assert "django" in loaded_by("import django")
