"""What a lock file pins."""

import re

PIN = re.compile(r"^(?P<name>[a-z0-9][a-z0-9._-]*)(?:\[[^]]*\])?==(?P<version>[^\s;\\]+)")


def pins(lock: str) -> dict[str, str]:
    """The version of every requirement of a lock file."""
    return {found["name"]: found["version"] for line in lock.splitlines() if (found := PIN.match(line))}
