"""Child processes: revived when they fall, ended when they will not, never left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from robutler_site import guardian
from robutler_site.children import Child, Family, Guardian
from tests.robutler_site.conftest import eventually

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
)
WITH_OFFSPRING = (
    "import subprocess, sys, time; child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
    "print(child.pid, flush=True); time.sleep(600)"
)
SHORT_LIVED = "print('I fell', flush=True); raise SystemExit(3)"


@pytest.fixture
def family(tmp_path: Path) -> Generator[Family]:
    with (tmp_path / "lock").open("w") as lock, Guardian(lock_fd=lock.fileno()) as guard:
        family = Family(guard)
        yield family
        family.end(hurried=lambda: True)


def child(tmp_path: Path, program: str) -> Child:
    return Child(
        name="child", command=(sys.executable, "-c", program), directory=tmp_path, log=tmp_path / "log" / "child.log"
    )


def test_a_fallen_child_is_reported_once_and_started_again(family: Family, tmp_path: Path) -> None:
    short = child(tmp_path, SHORT_LIVED)
    family.add(short)
    fallen: list[int] = []

    def fell_twice() -> bool:
        fallen.extend(code for _, code in family.tend())
        return len(fallen) == 2

    assert eventually(fell_twice)
    assert fallen == [3, 3]
    assert short.last_lines().splitlines() == ["I fell", "I fell"]


def test_each_fall_makes_the_next_pause_longer(family: Family, tmp_path: Path) -> None:
    short = child(tmp_path, SHORT_LIVED)
    family.add(short)
    pauses: list[float] = []

    def fell_twice() -> bool:
        pauses.extend(fallen.start_at - time.monotonic() for fallen, _ in family.tend())
        return len(pauses) == 2

    assert eventually(fell_twice)
    assert pauses[1] > pauses[0]


def test_a_child_that_will_not_end_is_killed(family: Family, tmp_path: Path) -> None:
    stubborn = child(tmp_path, STUBBORN)
    family.add(stubborn)
    assert eventually(lambda: stubborn.last_lines() == "up")
    pid = stubborn.pid

    killed = family.end(hurried=lambda: True)

    assert killed == ["child"]
    assert not guardian.is_alive(pid)


def test_a_childs_own_children_end_with_it(family: Family, tmp_path: Path) -> None:
    parent = child(tmp_path, WITH_OFFSPRING)
    family.add(parent)
    assert eventually(lambda: parent.last_lines().isdecimal())
    grandchild = int(parent.last_lines())

    family.end(hurried=lambda: False)

    assert eventually(lambda: not guardian.is_alive(grandchild))


def test_the_guardian_ends_what_is_left_when_nobody_tells_it_more(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as lock:
        process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
        with Guardian(lock_fd=lock.fileno()) as guard:
            guard.tell(f"watch {process.pid}")

    assert process.wait(10) == -signal.SIGTERM


def test_the_guardian_leaves_alone_what_was_taken_off_its_list(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as lock:
        process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
        with Guardian(lock_fd=lock.fileno()) as guard:
            guard.tell(f"watch {process.pid}")
            guard.tell(f"forget {process.pid}")

    assert process.poll() is None
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_a_log_that_grew_too_large_is_set_aside(
    family: Family, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("robutler_site.children.LARGEST_LOG_BYTES", 10)
    wordy = child(tmp_path, SHORT_LIVED)
    wordy.log.parent.mkdir()
    wordy.log.write_text("x" * 100)

    family.add(wordy)

    assert wordy.log.with_suffix(".log.1").read_text() == "x" * 100
