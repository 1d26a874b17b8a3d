"""What we install is what we chose: pinned, hashed, and nothing that runs by itself."""

import json
import re
import sysconfig
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from tests.architecture.sources import ROOT
from tests.locks import PIN, pins

LOCKS = ("requirements.lock", "requirements-dev.lock")
CLIENTS = tuple(sorted(str(path.relative_to(ROOT)) for path in (ROOT / "tests/live/clients").glob("*.lock")))
TROJANED = {"litellm": {"1.82.7", "1.82.8"}}
RUNS_AT_START = {
    "a1_coverage.pth": "coverage, so that child processes count",
    "distutils-precedence.pth": "setuptools, as every virtual environment has it",
}

HASH = re.compile(r"^ +--hash=sha256:[0-9a-f]{64}( \\)?$")


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


def npm_complaints(lock: str) -> list[str]:
    """What is wrong with a lock file of npm: a package without a hash, or with an address or scripts of its own."""
    packages = {path: package for path, package in json.loads(lock)["packages"].items() if path}
    return [
        f"{path}: {wrong}"
        for path, package in packages.items()
        for wrong, is_so in (
            ("no hash", not package.get("integrity", "").startswith("sha512-")),
            ("an address", "resolved" in package),
            ("an install script", package.get("hasInstallScript", False)),
        )
        if is_so
    ]


def test_every_package_of_node_has_a_hash_and_no_address() -> None:
    assert npm_complaints((ROOT / "tests/live/node/package-lock.json").read_text()) == []


@pytest.mark.parametrize(
    "package",
    [
        {"version": "1"},
        {"version": "1", "integrity": "sha512-x", "resolved": "https://example.org/a.tgz"},
        {"version": "1", "integrity": "sha512-x", "hasInstallScript": True},
    ],
)
def test_a_bad_lock_of_npm_is_seen(package: dict[str, Any]) -> None:
    assert npm_complaints(json.dumps({"packages": {"": {}, "node_modules/a": package}}))


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
