"""What `manage.py up` says when it cannot start: the variable, what is wrong with it, and what to write."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Generator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from robutler_site.env import PROJECT
from robutler_site.supervisor import Interruptions
from tests.robutler_site.conftest import eventually
from tests.robutler_site.test_up import Platform, environment, free_port, left_behind, new_var_dir


@pytest.fixture
def var_dir() -> Generator[Path]:
    """A var directory of this test's own, where nothing may be left running."""
    with new_var_dir() as path:
        yield path
        assert eventually(lambda: left_behind(path) == []), left_behind(path)


def manage(var_dir: Path, *command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "manage.py", *command],
        cwd=PROJECT,
        env=environment(var_dir),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def refusal(var_dir: Path, *command: str, **variables: str) -> str:
    """Run `up`, or another command, in an environment that does not let it start; return what it said."""
    return said_by([sys.executable, "manage.py", *(command or ("up",))], {**environment(var_dir), **variables})


def said_by(arguments: Sequence[str], variables: Mapping[str, str]) -> str:
    ran = subprocess.run(arguments, cwd=PROJECT, env=variables, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 1, ran
    assert "Traceback" not in ran.stderr
    return ran.stderr


@pytest.mark.parametrize("port", ["abc", "-1", "0", "99999", "80.5"])
def test_a_port_that_is_none_is_refused(var_dir: Path, port: str) -> None:
    said = refusal(var_dir, ROBUTLER_PORT=port)

    assert "ROBUTLER_PORT" in said
    assert "1 to 65535" in said


def test_a_port_that_is_none_is_refused_as_an_argument(var_dir: Path) -> None:
    ran = manage(var_dir, "up", "--port", "99999")

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

    command = [*like_others, sys.executable, "manage.py", "up"]

    said = [said_by(command, {**environment(var_dir), **variables}) for variables in ({}, given)]

    var_dir.chmod(0o755)
    assert all("ROBUTLER_VAR_DIR" in words and str(var_dir) in words for words in said), said
    assert "chown" in said[1]


DATABASES = ("DATABASE_URL", "DATABASE_OWNER_URL", "DATABASE_PLATFORM_URL")


def test_a_database_that_does_not_answer_is_named(var_dir: Path) -> None:
    address = f"postgresql://robutler:hidden@127.0.0.1:{free_port()}/robutler"

    said = refusal(var_dir, **dict.fromkeys(DATABASES, address))

    assert "DATABASE_URL: the database at 127.0.0.1:" in said
    assert "unset DATABASE_URL, DATABASE_OWNER_URL, DATABASE_PLATFORM_URL" in said
    assert "hidden" not in said


def test_any_command_names_the_database_that_does_not_answer(var_dir: Path) -> None:
    address = f"postgresql://robutler:hidden@127.0.0.1:{free_port()}/robutler"

    said = refusal(var_dir, "reconcile", **dict.fromkeys(DATABASES, address))

    assert "DATABASE_URL: the database at 127.0.0.1:" in said


def test_the_doctor_names_the_database_that_does_not_answer(var_dir: Path) -> None:
    address = f"postgresql://robutler:hidden@127.0.0.1:{free_port()}/robutler"
    variables = {**environment(var_dir), **dict.fromkeys(DATABASES, address)}
    command = [sys.executable, "manage.py", "doctor", "--json"]

    ran = subprocess.run(command, cwd=PROJECT, env=variables, capture_output=True, text=True, timeout=60, check=False)

    (found,) = [finding for finding in json.loads(ran.stdout) if finding["check"] == "database"]
    assert (ran.returncode, found["state"]) == (1, "bad")
    assert found["detail"].startswith("DATABASE_URL: the database at 127.0.0.1:")


def test_an_embedded_database_that_is_not_started_is_said(var_dir: Path) -> None:
    said = refusal(var_dir, "reconcile")

    assert "make run" in said
    assert "manage.py postgres start" in said


@pytest.mark.parametrize("variable", ["REDIS_URL", "CELERY_BROKER_URL"])
@pytest.mark.parametrize("scheme", ["redis", "nonsense"])
def test_a_broker_that_does_not_answer_is_named(var_dir: Path, variable: str, scheme: str) -> None:
    port = free_port()

    said = refusal(var_dir, **{variable: f"{scheme}://:hidden@127.0.0.1:{port}/0"})

    assert f"{variable}: nothing usable answers at 127.0.0.1:{port}" in said
    assert "unset it" in said
    assert "hidden" not in said


@pytest.mark.parametrize("address", ["nonsense", "http://:80/v1", "ftp://host/v1", "http://127.0.0.1:99999/v1"])
def test_an_address_of_models_that_is_none_is_refused(var_dir: Path, address: str) -> None:
    said = refusal(var_dir, OPENAI_BASE_URL=address)

    assert f"OPENAI_BASE_URL: '{address}' is not the address of a server: write http://host:port/v1" in said


def test_a_server_of_models_that_does_not_answer_is_named(var_dir: Path) -> None:
    address = f"http://127.0.0.1:{free_port()}/v1"

    said = refusal(var_dir, OPENAI_BASE_URL=address, OPENAI_MODEL="llama")

    assert f"OPENAI_BASE_URL: nothing answers at {address}" in said
    assert "unset OPENAI_BASE_URL" in said


def test_a_key_of_a_provider_that_is_none_is_named(var_dir: Path) -> None:
    said = refusal(var_dir, OPENAI_API_KEY="file:///etc/passwd\x07")

    assert "OPENAI_API_KEY cannot be used." in said


class Refusing(BaseHTTPRequestHandler):
    """A server of models that lists one and has none."""

    def do_GET(self) -> None:
        self._answer(200, {"data": [{"id": "llama3"}]})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(404, {"error": {"message": "model not found"}})

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def _answer(self, status: int, document: object) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def test_a_first_call_that_fails_says_what_was_asked_where(var_dir: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as models:
        threading.Thread(target=models.serve_forever).start()
        address = f"http://127.0.0.1:{models.server_port}/v1"
        platform = Platform(var_dir, free_port(), OPENAI_BASE_URL=address).wait_until_started()
        platform.interrupt()
        models.shutdown()

    said = platform.said.split("The first call did not succeed: ")[1].splitlines()
    assert "{" not in said[0]
    assert f"openai/llama3 was asked at {address}, which OPENAI_BASE_URL names" in said[1]


@pytest.mark.skipif(os.geteuid() != 0, reason="only as root the data may lie elsewhere")
def test_a_database_that_outlived_its_var_directory_is_refused(var_dir: Path) -> None:
    """As an ordinary user the data lies in the var directory and goes with it."""
    var_dir.chmod(0o700)
    var = var_dir / "var"
    begun = manage(var, "postgres", "start")
    data_dir = Path(begun.stdout.partition("PostgreSQL runs in ")[2].strip().rstrip("."))
    manage(var, "postgres", "stop")
    shutil.rmtree(var)

    refused = [refusal(var), refusal(var, "postgres", "start")]
    shutil.rmtree(data_dir)
    anew = manage(var, "postgres", "start")
    manage(var, "postgres", "stop")
    shutil.rmtree(data_dir)

    assert all(f"rm -rf {data_dir}." in said for said in refused), refused
    assert anew.returncode == 0, anew.stderr


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
