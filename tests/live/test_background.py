"""Tools on a worker: a real server, a real worker, and what becomes of both when one is killed."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from billing import ledger
from skills import registry
from tests import make
from tests.fakes.installed import installed
from tests.live.cast import PER_RUN_NANOS, Cast
from tests.live.conftest import Start
from tests.live.server import LiveServer
from tests.live.waiting import eventually
from tests.rabbit_server import RabbitServer
from tests.redis_server import RedisServer

LEASE_S = "1.5"
LONG_S = 60.0
"""Long enough for a machine that has much to do; nothing here takes so long."""
EXECUTIONS = "/api/v1/tool-executions"


@dataclass(kw_only=True)
class Workshop:
    """A server, the way to its workers, and where the tools note things down."""

    server: LiveServer
    environment: dict[str, str]
    room: Path
    cast: Cast
    manager: str
    """A key of Globex's that may manage."""
    workers: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def hire(self) -> "subprocess.Popen[bytes]":
        """Start a worker."""
        celery = (sys.executable, "-m", "celery", "-A", "robutler_site", "--quiet")
        command = (*celery, "worker", "--queues", "tools", "--concurrency", "2", "--hostname", f"{uuid4().hex}@test")
        with (self.room / "worker.log").open("ab") as output:
            worker = subprocess.Popen(
                command, env=self.environment, stdout=output, stderr=output, start_new_session=True
            )
        self.workers.append(worker)
        return worker

    def fell(self, worker: "subprocess.Popen[bytes]") -> None:
        """Kill a worker with all its processes, where they stand."""
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait(10)
        self.workers.remove(worker)

    def begun(self, plank: str) -> int:
        """How often a plank was begun."""
        noted = self.room / f"{plank}.begun"
        return len(noted.read_text().splitlines()) if noted.exists() else 0

    def agent(self, tool: str, **arguments: Any) -> str:
        """An agent that calls the tool once, and says what came of it."""
        from agents.services.drafts import SkillChoice

        rule = {"calls": [{"name": tool, "arguments": arguments}], "then": [{"text": "That is all."}]}
        skill = SkillChoice(skill="workbench", options={"room": str(self.room)})
        return self.cast.publish(
            model="scripted/persona", options={"rules": [rule]}, skills=[skill], output_price_pico=0
        )

    def get(self, address: str, *, method: str = "GET") -> Any:
        """What the management API says to Globex."""
        key = {"Authorization": f"Bearer {self.manager}"}
        answer = httpx.request(method, f"{self.server.url}{address}", headers=key, timeout=30)
        return answer.json()


@dataclass(kw_only=True)
class Call:
    """A stream that is read in a thread."""

    lines: list[str] = field(default_factory=list)
    thread: threading.Thread | None = None

    def said(self, words: str) -> bool:
        """Whether it was said by now."""
        return any(words in line for line in self.lines)

    def end(self) -> str:
        """All of it, once it is over."""
        assert self.thread is not None
        self.thread.join(LONG_S)
        assert not self.thread.is_alive(), self.lines
        return "\n".join(self.lines)


def call(shop: Workshop, agent: str, **more: Any) -> Call:
    """Ask the agent as Globex does, with events."""
    made = Call()
    headers = {"Authorization": f"Bearer {shop.cast.globex_key}", "X-Robutler-Events": "1"}
    body = {"model": agent, "messages": [{"role": "user", "content": "Go."}], "stream": True, **more}

    def read_on() -> None:
        with (
            httpx.Client(timeout=LONG_S) as client,
            client.stream("POST", f"{shop.server.url}/v1/chat/completions", json=body, headers=headers) as answer,
        ):
            for line in answer.iter_lines():
                made.lines.append(line)

    made.thread = threading.Thread(target=read_on, daemon=True)
    made.thread.start()
    return made


@contextmanager
def workshop(start: Start, cast: Cast, room: Path, environment: dict[str, str], **options: str) -> Generator[Workshop]:
    """A server with the skill installed, and no worker yet."""
    packages = installed(room / "packages", workbench="tests.fakes.workbench:WorkbenchSkill")
    path = {"PYTHONPATH": f"{packages}:{environment['PYTHONPATH']}"}
    settings = {"ROBUTLER_BACKGROUND_LEASE_S": LEASE_S, "ROBUTLER_KEEP_ALIVE_S": "0.3", **path, **options}
    manager = make.key(cast.globex, permissions=["agents:write"])
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(packages))
        registry._known.cache_clear()
        with start(**settings) as server:
            shop = Workshop(
                server=server, environment={**environment, **settings}, room=room, cast=cast, manager=manager
            )
            yield shop
            for worker in tuple(shop.workers):
                shop.fell(worker)
    registry._known.cache_clear()


@pytest.fixture(scope="module")
def shop(
    start: Start, cast: Cast, site_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Generator[Workshop]:
    """On the transport that is in the database, with one worker."""
    with workshop(start, cast, tmp_path_factory.mktemp("shop"), site_environment) as made:
        made.hire()
        yield made


def test_a_tool_works_on_a_worker_while_its_stream_lives(shop: Workshop) -> None:
    made = call(shop, shop.agent("saw", plank="oak"))
    assert eventually(lambda: shop.begun("oak") == 1, within_s=LONG_S)
    assert eventually(lambda: made.said(": keep-alive") and made.said('"note":"marked"'), within_s=LONG_S)
    (waiting,) = [each for each in shop.get(EXECUTIONS)["data"] if each["status"] == "running"]
    assert ledger.balance(shop.cast.globex.id).held >= PER_RUN_NANOS

    (shop.room / "oak.go").touch()
    said = made.end()

    assert '"content":"oak is done"' in said
    assert '"finish_reason":"stop"' in said
    ended = shop.get(f"{EXECUTIONS}/{waiting['id']}")
    assert (ended["status"], ended["content"], ended["done"]) == ("succeeded", "oak is done", 3)
    assert shop.begun("oak") == 1


def test_a_tool_knows_for_whom_it_works_and_what_is_kept_for_them(shop: Workshop) -> None:
    said = call(shop, shop.agent("who"), user="ann").end()

    assert f'\\"last\\":\\"{shop.cast.globex.id}\\"' in said
    assert '\\"end_user\\":\\"ann\\"' in said
    assert '\\"scope\\":\\"all\\"' in said


def test_what_it_costs_is_what_it_says_and_nothing_where_it_fails(shop: Workshop) -> None:
    before = ledger.balance(shop.cast.globex.id).posted
    built = call(shop, shop.agent("shelf", boards=7)).end()
    between = ledger.balance(shop.cast.globex.id).posted
    failed = call(shop, shop.agent("shelf", boards=0)).end()
    after = ledger.balance(shop.cast.globex.id).posted

    assert '"content":"a shelf of 7"' in built
    assert "failed for a reason of its own (ValueError)" in failed
    assert (between - after, before - between) == (between - after, between - after + 70_000_000)


def test_what_takes_too_long_ends_as_that(shop: Workshop) -> None:
    said = call(shop, shop.agent("nap")).end()

    assert "nap did not finish within 0.5 seconds." in said
    assert shop.get(f"{EXECUTIONS}?status=expired")["data"][0]["tool"] == "nap"


def test_what_is_cancelled_stops_and_the_model_is_told(shop: Workshop) -> None:
    made = call(shop, shop.agent("saw", plank="elm"))
    assert eventually(lambda: shop.begun("elm") == 1, within_s=LONG_S)
    (running,) = shop.get(f"{EXECUTIONS}?status=running")["data"]

    cancelled = shop.get(f"{EXECUTIONS}/{running['id']}/cancel", method="POST")
    again = shop.get(f"{EXECUTIONS}/{running['id']}/cancel", method="POST")
    said = made.end()

    assert (cancelled["status"], again["error"]["code"]) == ("cancelled", "tool_execution_over")
    assert "This was cancelled." in said
    (shop.room / "elm.go").touch()
    assert shop.get(f"{EXECUTIONS}/{running['id']}")["content"] is None


def test_a_result_that_comes_after_the_caller_left_is_kept(shop: Workshop) -> None:
    agent = shop.agent("saw", plank="ash")
    body = {"model": agent, "messages": [{"role": "user", "content": "Go."}], "stream": True}
    key = {"Authorization": f"Bearer {shop.cast.globex_key}"}
    with (
        httpx.Client(timeout=LONG_S) as client,
        client.stream("POST", f"{shop.server.url}/v1/chat/completions", json=body, headers=key),
    ):
        assert eventually(lambda: shop.begun("ash") == 1, within_s=LONG_S)
    assert eventually(lambda: ledger.balance(shop.cast.globex.id).held == 0, within_s=LONG_S)

    (shop.room / "ash.go").touch()

    def kept() -> bool:
        return any(each["content"] == "ash is done" for each in shop.get(f"{EXECUTIONS}?status=succeeded")["data"])

    assert eventually(kept, within_s=LONG_S)


def _survives(shop: Workshop, name: str) -> None:
    """Two tools on a worker that is killed; the next one finishes what may be done twice."""
    before = ledger.balance(shop.cast.globex.id).posted
    again = call(shop, shop.agent("measure", plank=f"{name}-pine"))
    once = call(shop, shop.agent("saw", plank=f"{name}-fir"))
    assert eventually(lambda: shop.begun(f"{name}-pine") == shop.begun(f"{name}-fir") == 1, within_s=LONG_S)

    for worker in tuple(shop.workers):
        shop.fell(worker)
    shop.hire()
    assert eventually(lambda: shop.begun(f"{name}-pine") == 2, within_s=LONG_S)
    for plank in ("pine", "fir"):
        (shop.room / f"{name}-{plank}.go").touch()

    assert f'"content":"{name}-pine is done"' in again.end()
    told = once.end()
    assert "nobody knows whether it was done" in told
    assert '"finish_reason":"stop"' in told
    assert shop.begun(f"{name}-fir") == 1
    assert eventually(lambda: ledger.balance(shop.cast.globex.id).held == 0, within_s=LONG_S)
    assert before - ledger.balance(shop.cast.globex.id).posted == 2 * PER_RUN_NANOS


def test_a_killed_worker_is_noticed_and_nothing_is_charged_twice(shop: Workshop) -> None:
    _survives(shop, "own")


@pytest.mark.prove
@pytest.mark.parametrize("broker", [RedisServer, RabbitServer])
def test_the_same_on_other_brokers(
    broker: type[RedisServer | RabbitServer],
    start: Start,
    cast: Cast,
    site_environment: dict[str, str],
    tmp_path: Path,
) -> None:
    (home := tmp_path / "broker").mkdir()
    (room := tmp_path / "shop").mkdir()
    with (
        broker(home) as running,
        workshop(start, cast, room, site_environment, CELERY_BROKER_URL=running.url) as shop,
    ):
        shop.hire()
        _survives(shop, broker.__name__)


@pytest.mark.prove
@pytest.mark.timeout(600)
def test_at_the_usual_pace_a_dead_worker_is_noticed_within_a_minute(
    start: Start, cast: Cast, site_environment: dict[str, str], tmp_path: Path
) -> None:
    """As it is set when nobody sets anything: a tool of ninety seconds, whose worker dies after thirty."""
    with workshop(start, cast, tmp_path, site_environment, ROBUTLER_BACKGROUND_LEASE_S="30") as shop:
        shop.hire()
        made = call(shop, shop.agent("measure", plank="yew"))
        assert eventually(lambda: shop.begun("yew") == 1, within_s=LONG_S)
        time.sleep(30)
        for worker in tuple(shop.workers):
            shop.fell(worker)
        shop.hire()

        assert eventually(lambda: shop.begun("yew") == 2, within_s=60)
        time.sleep(60)
        (shop.room / "yew.go").touch()

        said = made.end()
        assert '"content":"yew is done"' in said
        assert said.count(": keep-alive") > 100
