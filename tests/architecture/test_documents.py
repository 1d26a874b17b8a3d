"""What the documents tell people to do can be done."""

import re
from pathlib import Path

import pytest
from django.core.management import get_commands

from tests.architecture.sources import ROOT, files

DOCUMENTS = tuple(name for name in files() if name.endswith(".md"))

MAKE = re.compile(r"(?:^\s*|`|\$ )make ([a-z]+)", re.MULTILINE)
MANAGE = re.compile(r"manage\.py,? ([a-z_]+)")
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")
GATE = re.compile(r"<!-- gate: test -->\s*```\w*\n(?P<command>.+?)\n```", re.DOTALL)


def targets(makefile: str) -> set[str]:
    """What `make help` offers."""
    return set(re.findall(r"^([a-z]+):.*##", makefile, re.MULTILINE))


def unknown_targets(text: str, known: set[str]) -> set[str]:
    """Targets that a document names and the Makefile does not have."""
    return set(MAKE.findall(text)) - known


def dead_links(text: str, folder: Path) -> list[str]:
    """Links of a document that lead nowhere in the project."""
    return [target for target in LINK.findall(text) if not (folder / target).exists()]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_make_command_exists(name: str) -> None:
    known = targets((ROOT / "Makefile").read_text())

    assert unknown_targets((ROOT / name).read_text(), known) == set()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_link_leads_somewhere(name: str) -> None:
    assert dead_links((ROOT / name).read_text(), (ROOT / name).parent) == []


@pytest.mark.parametrize("name", [*DOCUMENTS, "docker/Dockerfile", "docker/compose.yaml", "Makefile"])
def test_every_management_command_exists(name: str) -> None:
    assert set(MANAGE.findall((ROOT / name).read_text())) - get_commands().keys() == set()


def test_the_gate_runs_what_the_readme_says() -> None:
    found = GATE.search((ROOT / "README.md").read_text())

    assert found is not None
    assert found["command"] == "make test"


def test_an_unknown_target_is_seen() -> None:
    assert unknown_targets("Run `make coffee`.\n\n    make test\n", {"test"}) == {"coffee"}


def test_a_command_is_seen_in_a_list_and_in_a_line() -> None:
    assert MANAGE.findall("`manage.py backup`, [python, manage.py, migrate]") == ["backup", "migrate"]


def test_a_dead_link_is_seen(tmp_path: Path) -> None:
    assert dead_links("[here](nowhere.md) and [there](https://example.org)", tmp_path) == ["nowhere.md"]
