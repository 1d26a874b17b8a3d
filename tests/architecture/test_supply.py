"""What we install is what we chose: pinned, hashed, and nothing that runs by itself."""

import re
import sysconfig
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT

LOCKS = ("requirements.lock", "requirements-dev.lock")
CLIENTS = tuple(sorted(str(path.relative_to(ROOT)) for path in (ROOT / "tests/live/clients").glob("*.lock")))
TROJANED = {"litellm": {"1.82.7", "1.82.8"}}
RUNS_AT_START = {
    "a1_coverage.pth": "coverage, so that child processes count",
    "distutils-precedence.pth": "setuptools, as every virtual environment has it",
}

PIN = re.compile(r"^(?P<name>[a-z0-9][a-z0-9._-]*)(?:\[[^]]*\])?==(?P<version>[^\s;\\]+)")
HASH = re.compile(r"^ +--hash=sha256:[0-9a-f]{64}( \\)?$")


def pins(lock: str) -> dict[str, str]:
    """The version of every requirement of a lock file."""
    return {found["name"]: found["version"] for line in lock.splitlines() if (found := PIN.match(line))}


def lock_complaints(lock: str) -> list[str]:
    """What is wrong with a lock file: a line that is neither a pin nor a hash, or a pin without a hash."""
    found: list[str] = []
    lines = lock.splitlines()
    for number, line in enumerate(lines, start=1):
        if PIN.match(line):
            if number == len(lines) or not HASH.match(lines[number]):
                found.append(f"{number}: {line} has no hash")
        elif not HASH.match(line):
            found.append(f"{number}: {line!r} is neither a requirement nor a hash")
        if "://" in line or " @ " in line:
            found.append(f"{number}: an address")
    return found


def strangers(site_packages: Path) -> set[str]:
    """Files that Python runs at every start and that nobody announced."""
    return {path.name for path in site_packages.glob("*.pth")} - RUNS_AT_START.keys()


@pytest.mark.parametrize("name", LOCKS + CLIENTS)
def test_every_requirement_has_a_hash_and_no_address(name: str) -> None:
    assert lock_complaints((ROOT / name).read_text()) == []


def test_what_runs_is_what_was_tested() -> None:
    runtime, development = (pins((ROOT / name).read_text()) for name in LOCKS)

    assert runtime.items() <= development.items()


def test_every_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    locked = pins((ROOT / "requirements.lock").read_text())

    wanted = {re.split(r"[\[<>=!~ ;]", requirement, maxsplit=1)[0] for requirement in project["dependencies"]}

    assert wanted - locked.keys() == set()


@pytest.mark.parametrize("package", TROJANED)
def test_no_trojaned_release_is_here(package: str) -> None:
    locked = {found[package] for name in LOCKS + CLIENTS if package in (found := pins((ROOT / name).read_text()))}

    assert (locked | {version(package)}).isdisjoint(TROJANED[package])


def test_nothing_unannounced_runs_at_start() -> None:
    assert strangers(Path(sysconfig.get_path("purelib"))) == set()


@pytest.mark.parametrize(
    "lock",
    [
        "django==5.2.19",
        "django==5.2.19 \\\nuv==1",
        "--index-url https://example.org/simple",
        "# find-links /somewhere",
        f"mine @ file:///mine.whl \\\n    --hash=sha256:{'0' * 64}",
    ],
)
def test_a_bad_lock_is_seen(lock: str) -> None:
    assert lock_complaints(lock)


def test_a_stranger_at_start_is_seen(tmp_path: Path) -> None:
    (tmp_path / "litellm_init.pth").write_text("import os")

    assert strangers(tmp_path) == {"litellm_init.pth"}
