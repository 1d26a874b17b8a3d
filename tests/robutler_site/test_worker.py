"""Real worker processes on the broker, killed at the worst moment."""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from api.tracing import traced
from robutler_site import metrics_files
from robutler_site.celery import app
from tests.robutler_site.conftest import eventually

# A pool process waits for up to 30 s until its parent has taken note of its last result.
STOPS_WITHIN_S = 60
TRACEPARENT = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

StartWorker = Callable[[], "subprocess.Popen[bytes]"]


def lines(journal: Path, word: str) -> list[int]:
    if not journal.exists():
        return []
    found = [line.split() for line in journal.read_text().splitlines()]
    return [int(parts[1]) for parts in found if parts[0] == word]


@pytest.fixture
def start_worker(site_environment: dict[str, str], queue: str, tmp_path: Path) -> Generator[StartWorker]:
    """Start workers of this test's queue; each is gone at the end, with its pool."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> "subprocess.Popen[bytes]":
        with (tmp_path / "worker.log").open("ab") as log:
            worker = subprocess.Popen(
                [
                    *(sys.executable, "-m", "celery", "-A", "robutler_site", "worker", "--concurrency", "2"),
                    *("--queues", queue, "--include", "tests.robutler_site.tasks"),
                    *("--hostname", f"{uuid4().hex}@test", "--loglevel", "WARNING"),
                    *("--without-gossip", "--without-mingle", "--without-heartbeat"),
                ],
                env=site_environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        started.append(worker)
        return worker

    yield start
    for worker in started:
        if worker.poll() is None:
            os.killpg(worker.pid, signal.SIGKILL)
        worker.wait(10)


def test_no_task_is_lost_with_a_worker_killed_in_the_middle(
    start_worker: StartWorker, queue: str, tmp_path: Path
) -> None:
    journal, gate = tmp_path / "journal", tmp_path / "gate"
    for number in range(50):
        blocked = str(gate) if number in {10, 11} else None
        app.send_task("tests.record", [str(journal), number, blocked], queue=queue)
    first = start_worker()
    assert eventually(lambda: {10, 11} <= set(lines(journal, "start"))), (tmp_path / "worker.log").read_text()

    os.kill(first.pid, signal.SIGKILL)
    gate.touch()
    start_worker()

    assert eventually(lambda: set(lines(journal, "end")) == set(range(50))), (tmp_path / "worker.log").read_text()
    starts = Counter(lines(journal, "start"))
    assert {number for number, count in starts.items() if count > 1} == {10, 11}


def test_a_worker_asked_to_stop_finishes_what_it_does(start_worker: StartWorker, queue: str, tmp_path: Path) -> None:
    journal, gate = tmp_path / "journal", tmp_path / "gate"
    app.send_task("tests.record", [str(journal), 1, str(gate)], queue=queue)
    worker = start_worker()
    assert eventually(lambda: lines(journal, "start") == [1]), (tmp_path / "worker.log").read_text()

    worker.send_signal(signal.SIGTERM)
    gate.touch()

    assert worker.wait(STOPS_WITHIN_S) == 0, (tmp_path / "worker.log").read_text()
    assert lines(journal, "end") == [1]


def test_a_worker_answers_when_asked_whether_it_lives(start_worker: StartWorker, queue: str, tmp_path: Path) -> None:
    start_worker()

    answered = eventually(lambda: bool(app.control.ping(timeout=0.5)))

    assert answered, (tmp_path / "worker.log").read_text()


def test_a_task_works_for_the_organization_it_names(start_worker: StartWorker, queue: str, tmp_path: Path) -> None:
    journal, organization = tmp_path / "journal", uuid4()
    app.send_task("tests.whose", [str(journal), str(organization)], queue=queue)
    app.send_task("tests.whose", [str(journal)], queue=queue)
    start_worker()

    done = eventually(lambda: journal.exists() and len(journal.read_text().splitlines()) == 2)

    assert done, (tmp_path / "worker.log").read_text()
    assert sorted(journal.read_text().splitlines()) == sorted([str(organization), "None"])


def test_a_task_belongs_to_the_trace_of_whoever_queued_it(
    start_worker: StartWorker, queue: str, tmp_path: Path
) -> None:
    journal = tmp_path / "journal"
    start_worker()

    with traced({b"traceparent": TRACEPARENT}, method="POST", route="test"):
        app.send_task("tests.trace", [str(journal)], queue=queue)
    app.send_task("tests.trace", [str(journal)], queue=queue)

    assert eventually(lambda: journal.exists() and len(journal.read_text().splitlines()) == 2)
    assert set(journal.read_text().splitlines()) == {TRACEPARENT.decode(), "none"}


def test_a_worker_shows_its_metrics_on_a_port_of_their_own(
    start_worker: StartWorker, queue: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    site_environment: dict[str, str], unused_tcp_port: int,
) -> None:  # fmt: skip
    together = metrics_files.prepare(tmp_path / "metrics")
    for name, value in {**together, "ROBUTLER_METRICS_PORT": str(unused_tcp_port)}.items():
        monkeypatch.setitem(site_environment, name, value)
    start_worker()

    def page() -> str:
        with suppress(httpx.TransportError):
            return httpx.get(f"http://127.0.0.1:{unused_tcp_port}/metrics").text
        return ""

    assert eventually(lambda: "robutler_queue_depth" in page()), (tmp_path / "worker.log").read_text()
    assert "django_db_execute_total" in page()
