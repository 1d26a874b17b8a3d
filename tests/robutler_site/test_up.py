"""The whole platform under its supervisor, started as a newcomer starts it."""

import http.client
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from robutler_site import startup
from robutler_site.database import embedded_server
from tests.robutler_site.conftest import eventually

PROJECT = Path(startup.__file__).parent.parent
STARTED = "Ctrl-C stops everything."


class Platform:
    """One `manage.py up` on a var directory."""

    def __init__(self, var_dir: Path, port: int, **variables: str) -> None:
        self.var_dir = var_dir
        self.output = var_dir / f"output-{uuid4().hex}.txt"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "up", "--port", str(port)],
                cwd=PROJECT,
                env={**environment(var_dir), **variables},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        return self.output.read_text()

    @property
    def demo(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.var_dir / "demo.json").read_text())
        return document

    def wait_until_started(self) -> "Platform":
        assert eventually(lambda: STARTED in self.said or self.process.poll() is not None, within_s=90)
        assert self.process.poll() is None, self.said
        return self

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(40)

    def pid_of(self, name: str) -> int:
        words = {"web": "serve", "worker": "worker@%h", "tools": "tools@%h", "beat": "beat"}
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        (pid,) = [pid for pid in children if words[name] in Path(f"/proc/{pid}/cmdline").read_text().split("\0")]
        return int(pid)

    def answer(self, key: str, model: str) -> tuple[int, dict[str, Any]]:
        host = self.demo["base_url"].removeprefix("http://").removesuffix("/v1")
        connection = http.client.HTTPConnection(host, timeout=30)
        body = {"model": model, "messages": [{"role": "user", "content": "What is 12 * 34?"}]}
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        connection.request("POST", "/v1/chat/completions", body=json.dumps(body), headers=headers)
        response = connection.getresponse()
        answer = response.status, json.loads(response.read())
        connection.close()
        return answer


def environment(var_dir: Path) -> dict[str, str]:
    """What a newcomer's shell holds: nothing of ours."""
    foreign = ("ROBUTLER_", "DATABASE_", "REDIS_", "CELERY_", "DJANGO_", "PYTEST_", "OPENAI_", "ANTHROPIC_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return {**kept, "ROBUTLER_VAR_DIR": str(var_dir)}


def left_behind(var_dir: Path) -> list[str]:
    """Every process that was started for a var directory, the database's too."""
    mark = f"ROBUTLER_VAR_DIR={var_dir}\0".encode()
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (place / "environ").read_bytes() + b"\0":
                found.append((place / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue  # it ended while we looked
    return [line for line in found if line]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def var_dir() -> Generator[Path]:
    """A var directory that the database's own user can reach; it keeps its data from start to start."""
    with new_var_dir() as path:
        yield path


@pytest.fixture(scope="module")
def shared(var_dir: Path) -> Generator[Platform]:
    """A running platform for the tests that only look at it."""
    with started(var_dir) as platform:
        yield platform


@pytest.fixture(scope="module")
def other_var_dir() -> Generator[Path]:
    """Where the platforms live that do not survive their test."""
    with new_var_dir() as path:
        yield path


@pytest.fixture
def doomed(other_var_dir: Path) -> Generator[Platform]:
    """A running platform that the test may ruin; it leaves nothing behind whatever happens."""
    with started(other_var_dir) as platform:
        yield platform


@contextmanager
def new_var_dir() -> Generator[Path]:
    path = Path(tempfile.gettempdir()) / f"robutler-up-{uuid4().hex[:12]}"
    path.mkdir(mode=0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@contextmanager
def started(var_dir: Path) -> Generator[Platform]:
    platform = Platform(var_dir, free_port())
    try:
        yield platform.wait_until_started()
    finally:
        if platform.process.poll() is None:
            platform.interrupt()
        assert eventually(lambda: left_behind(var_dir) == []), left_behind(var_dir)


def test_a_newcomer_sees_a_first_reply_and_what_it_cost(shared: Platform) -> None:
    assert "17 * 23 = 391" in shared.said
    assert "charged $0.001000" in shared.said


def test_programs_find_everything_in_one_private_file(shared: Platform) -> None:
    demo = shared.demo

    assert set(demo) == {
        "base_url", "api_key", "model", "console_url", "admin_url", "admin_user", "admin_password",
        "second_organization",
    }  # fmt: skip
    assert set(demo["second_organization"]) == {"api_key", "model"}
    assert demo["base_url"].endswith("/v1")
    assert stat.S_IMODE((shared.var_dir / "demo.json").stat().st_mode) == 0o600


def test_the_python_snippet_works_as_pasted(shared: Platform) -> None:
    snippet = shared.said.split("(pip install openai)")[1].split("Logs are in")[0]

    printed = subprocess.run([sys.executable, "-c", snippet], capture_output=True, text=True, timeout=60, check=False)

    assert "408" in printed.stdout, printed.stderr


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_curl_snippet_works_as_pasted(shared: Platform) -> None:
    snippet = shared.said.split("\ncurl\n", 1)[1].split("Python (pip")[0]

    printed = subprocess.run(["sh", "-c", snippet], capture_output=True, text=True, timeout=60, check=False)

    assert printed.stdout.rstrip().endswith("data: [DONE]"), printed.stderr


def test_each_organization_reaches_its_own_agent_only(shared: Platform) -> None:
    acme, globex = shared.demo, shared.demo["second_organization"]

    assert shared.answer(globex["api_key"], globex["model"])[0] == 200
    assert shared.answer(globex["api_key"], acme["model"])[0] == 404
    assert shared.answer(globex["api_key"], f"acme/{acme['model']}")[0] == 404


def test_the_doctor_finds_a_running_platform_well(shared: Platform) -> None:
    def examine() -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "manage.py", "doctor", "--json"],
            cwd=PROJECT,
            env=environment(shared.var_dir),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    # The worker is started beside the first call and takes a moment longer.
    assert eventually(lambda: examine().returncode == 0), examine().stdout


def test_a_second_start_beside_the_first_says_that_it_runs_already(shared: Platform, var_dir: Path) -> None:
    second = Platform(var_dir, free_port())

    assert second.process.wait(60) != 0
    assert "running already" in second.said
    assert shared.demo["base_url"].removesuffix("/v1") in second.said
    assert f"kill {shared.process.pid}." in second.said
    assert shared.process.poll() is None


def test_another_var_directory_runs_beside_on_the_next_port(shared: Platform) -> None:
    port = int(shared.demo["base_url"].removesuffix("/v1").rpartition(":")[2])
    with new_var_dir() as beside:
        other = Platform(beside, port).wait_until_started()
        base_url, said = other.demo["base_url"], other.said
        other.interrupt()

        assert f"Port {port} is taken" in said
        assert base_url != shared.demo["base_url"]
        assert eventually(lambda: left_behind(beside) == [])


def test_the_worker_does_not_complain_of_who_started_it(shared: Platform) -> None:
    assert "superuser" not in (shared.var_dir / "log" / "worker.log").read_text()


def test_a_crashed_web_process_is_started_again(shared: Platform) -> None:
    first = shared.pid_of("web")
    os.kill(first, signal.SIGKILL)

    assert eventually(lambda: "web ended by itself" in shared.said)
    assert shared.answer(shared.demo["api_key"], shared.demo["model"])[0] == 200
    assert shared.pid_of("web") != first


def test_a_killed_database_is_started_again(shared: Platform) -> None:
    server = embedded_server(shared.var_dir / "postgres")
    postmaster = int((server.data_dir / "postmaster.pid").read_text().partition("\n")[0])
    os.kill(postmaster, signal.SIGKILL)

    assert eventually(lambda: "PostgreSQL ended by itself" in shared.said)
    assert eventually(lambda: shared.answer(shared.demo["api_key"], shared.demo["model"])[0] == 200)


def test_a_second_start_keeps_key_and_password_and_prints_no_password(doomed: Platform) -> None:
    before = doomed.demo
    code = doomed.interrupt()
    left = left_behind(doomed.var_dir)

    with started(doomed.var_dir) as again:
        after, said = again.demo, again.said

    assert (code, left) == (0, [])
    assert [after["api_key"], after["admin_password"]] == [before["api_key"], before["admin_password"]]
    assert after["second_organization"] == before["second_organization"]
    assert f"the one printed at the first start; it is in {doomed.var_dir / 'demo.json'}" in said
    assert after["admin_password"] not in said


def test_a_killed_supervisor_takes_everything_along(doomed: Platform) -> None:
    doomed.process.kill()
    doomed.process.wait()

    assert eventually(lambda: left_behind(doomed.var_dir) == []), left_behind(doomed.var_dir)


def test_a_hanging_child_does_not_outlive_ctrl_c(doomed: Platform) -> None:
    os.kill(doomed.pid_of("web"), signal.SIGSTOP)

    code = doomed.interrupt()

    assert code == 0
    assert "web did not end in time and was killed" in doomed.said
    assert left_behind(doomed.var_dir) == []


def test_a_reader_who_leaves_does_not_stop_the_cleaning_up(other_var_dir: Path) -> None:
    up = subprocess.Popen(
        [sys.executable, "manage.py", "up", "--port", str(free_port())],
        cwd=PROJECT,
        env=environment(other_var_dir),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    assert up.stdout is not None
    assert up.stdout.readline()
    up.stdout.close()
    assert eventually(lambda: any(" beat " in line for line in left_behind(other_var_dir)))

    up.send_signal(signal.SIGTERM)

    assert up.wait(40) == 0
    assert eventually(lambda: left_behind(other_var_dir) == []), left_behind(other_var_dir)
