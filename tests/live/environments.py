"""Environments for the clients of the wild: one each, made when first needed and kept until its lock file changes."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
CLIENTS = Path(__file__).parent / "clients"
NODE = Path(__file__).parent / "node"
KEPT = ROOT / "var" / "clients"
MAKE_SECONDS = 600
RUN_SECONDS = 600

_UNREACHABLE = re.compile(
    r"error sending request|dns error|failed to lookup|connection (?:refused|reset|timed out)|operation timed out"
    r"|network is unreachable|E(?:NOTFOUND|CONNREFUSED|CONNRESET|TIMEDOUT|AI_AGAIN)",
    re.IGNORECASE,
)

Cases = list[dict[str, str]]


def python_cases(client: str, *, seat: Mapping[str, str], report: Path) -> Cases:
    """Run the cases of a Python client in its environment; answers how each of them went."""
    home = python_home(CLIENTS / f"{client}.lock")
    command = [str(home / "bin" / "python"), "-m", "pytest", "-c", str(CLIENTS / "pytest.ini"), "--quiet"]
    stem = client.replace("-", "_")
    files = [str(file) for kind in ("", "_standard") for file in CLIENTS.glob(f"{stem}{kind}_cases.py")]
    return _run([*command, *files], directory=CLIENTS, seat=seat, report=report)


def node_cases(client: str, *, seat: Mapping[str, str], report: Path) -> Cases:
    """Run the cases of a Node client; all of them share one environment."""
    home = node_home(NODE)
    command = ["node", "--test", "--test-reporter=./report.mjs", "--test-timeout=60000", f"{client}.cases.mjs"]
    return _run(command, directory=home, seat=seat, report=report)


def python_home(lock: Path) -> Path:
    """An environment with what a lock file says."""
    with _environment(lock.stem, lock.read_bytes()) as home:
        if not (home / "made").exists():
            python = home / "bin" / "python"
            _make([sys.executable, "-m", "uv", "venv", "--quiet", "--clear", "--python", sys.executable, str(home)])
            sync = [sys.executable, "-m", "uv", "pip", "sync", "--quiet", "--require-hashes", "--python", str(python)]
            _make([*sync, str(lock)])
            (home / "made").touch()
    return home


def node_home(folder: Path) -> Path:
    """A copy of a folder, with what its package-lock.json says."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed.")
    with _environment(folder.name, (folder / "package-lock.json").read_bytes()) as home:
        shutil.copytree(folder, home, dirs_exist_ok=True)
        if not (home / "made").exists():
            _make(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], directory=home)
            (home / "made").touch()
    return home


@contextmanager
def _environment(name: str, lock: bytes) -> Iterator[Path]:
    """The place of the environment for this very lock; one process makes it at a time, and old ones are dropped."""
    KEPT.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(lock + sys.version.encode()).hexdigest()[:12]
    with (KEPT / f"{name}.lock").open("w") as file:
        flock(file, LOCK_EX)
        for other in KEPT.glob(f"{name}@*"):
            if other.name != f"{name}@{digest}":
                shutil.rmtree(other)
        home = KEPT / f"{name}@{digest}"
        home.mkdir(exist_ok=True)
        yield home


def _make(command: list[str], *, directory: Path = ROOT) -> None:
    made = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=MAKE_SECONDS, check=False)
    if made.returncode and (found := _UNREACHABLE.search(made.stderr)):
        pytest.skip(f"The package registry cannot be reached: {found[0]}.")
    assert made.returncode == 0, made.stderr


def _run(command: list[str], *, directory: Path, seat: Mapping[str, str], report: Path) -> Cases:
    """Run a client's cases as a child that knows nothing of our environment, and read its report."""
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "PATH", "TMPDIR") if name in os.environ}
    environment = {
        **kept,
        "ROBUTLER_SEAT": json.dumps(dict(seat)),
        "ROBUTLER_REPORT": str(report),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    child = subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, timeout=RUN_SECONDS, check=False
    )
    assert child.returncode in (0, 1), child.stdout[-4_000:] + child.stderr[-4_000:]
    cases: Any = json.loads(report.read_text())
    return list(cases)
