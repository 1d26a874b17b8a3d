"""The directory in which several processes count together, a file of each for each kind of metric."""

import os
from pathlib import Path
from typing import Final

VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
"""Prometheus's own name for it, which has to be set before a process counts anything."""


def directory() -> Path | None:
    """Where the processes of this machine count together, if they do."""
    name = os.environ.get(VARIABLE)
    return Path(name) if name else None


def prepare(directory: Path) -> dict[str, str]:
    """Make the directory, empty; what the environment of the processes has to say of it."""
    directory.mkdir(parents=True, exist_ok=True)
    for file in directory.glob("*.db"):
        file.unlink(missing_ok=True)
    return {VARIABLE: str(directory)}


def bury_gauges(directory: Path) -> None:
    """Forget what stood in processes that are no more; what they have counted stays."""
    for file in directory.glob("gauge_live*.db"):
        if not Path(f"/proc/{file.stem.rpartition('_')[2]}").exists():
            file.unlink(missing_ok=True)
