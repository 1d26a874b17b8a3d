"""What `manage.py up` says when it cannot start: the variable, what is wrong with it, and what to write."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from robutler_site.env import PROJECT
from robutler_site.supervisor import Interruptions
from tests.robutler_site.conftest import eventually
from tests.robutler_site.test_up import environment, left_behind, new_var_dir


@pytest.fixture
def var_dir() -> Generator[Path]:
    """A var directory of this test's own, where nothing may be left running."""
    with new_var_dir() as path:
        yield path
        assert eventually(lambda: left_behind(path) == []), left_behind(path)


def refusal(var_dir: Path, *, before: tuple[str, ...] = (), **variables: str) -> str:
    """Run `up` in an environment that does not let it start; return what it said."""
    ran = subprocess.run(
        [*before, sys.executable, "manage.py", "up"],
        cwd=PROJECT,
        env={**environment(var_dir), **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 1, ran
    assert "Traceback" not in ran.stderr
    return ran.stderr


@pytest.mark.parametrize("port", ["abc", "-1", "0", "99999", "80.5"])
def test_a_port_that_is_none_is_refused(var_dir: Path, port: str) -> None:
    said = refusal(var_dir, ROBUTLER_PORT=port)

    assert "ROBUTLER_PORT" in said
    assert "1 to 65535" in said


def test_a_port_that_is_none_is_refused_as_an_argument(var_dir: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "manage.py", "up", "--port", "99999"],
        cwd=PROJECT, env=environment(var_dir), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert ran.returncode == 2
    assert "'99999' is not a port: write a number from 1 to 65535" in ran.stderr


def test_a_var_directory_that_is_a_file_is_refused(var_dir: Path) -> None:
    (var_dir / "taken").touch()

    for place in (var_dir / "taken", var_dir / "taken" / "below"):
        said = refusal(var_dir, ROBUTLER_VAR_DIR=str(place))

        assert "set ROBUTLER_VAR_DIR to a directory" in said
        assert str(var_dir / "taken") in said


@pytest.mark.skipif(os.geteuid() == 0 and shutil.which("setpriv") is None, reason="root may write everywhere")
def test_a_var_directory_of_somebody_else_is_refused(var_dir: Path) -> None:
    """Secrets are given, so that nothing has to be written before the start."""
    key = "A" * 43 + "="
    given = {"SECRET_KEY": "s" * 50, "ROBUTLER_KEK": key, "ROBUTLER_KEY_PEPPER": key}
    var_dir.chmod(0o555)
    like_others = ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.geteuid() == 0 else ()

    said = [refusal(var_dir, before=like_others, **variables) for variables in ({}, given)]

    var_dir.chmod(0o755)
    assert all("ROBUTLER_VAR_DIR" in words and str(var_dir) in words for words in said), said
    assert "chown" in said[1]


def test_ctrl_c_amid_imports_ends_it_without_a_word(var_dir: Path) -> None:
    output = var_dir / "output"
    with output.open("wb") as file:
        up = subprocess.Popen(
            [sys.executable, "-X", "importtime", "manage.py", "up"],
            cwd=PROJECT, env=environment(var_dir), stdout=file, stderr=file, start_new_session=True,
        )  # fmt: skip
    assert eventually(lambda: "django.core.management" in output.read_text())

    up.send_signal(signal.SIGINT)

    assert up.wait(20) == -signal.SIGINT
    assert "Traceback" not in output.read_text()


def test_a_signal_whose_exception_got_lost_is_heeded_all_the_same() -> None:
    interruptions = Interruptions()
    with pytest.raises(KeyboardInterrupt):
        interruptions.receive(signal.SIGINT, None)

    with pytest.raises(KeyboardInterrupt):
        interruptions.heed()
