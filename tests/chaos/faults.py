"""What befalls a deployment: a plan of faults that follows from a seed, and the one who carries it out."""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import psycopg

from tests.chaos.deployment import Deployment, Process, Web, children, postmaster

PAUSE_S = (3.0, 12.0)
HOLD_OUTLIVED_S = 75.0
"""Longer than a hold lives without a word from its process."""

KINDS = {
    "kill web": 5,
    "term web": 2,
    "term and kill web": 2,
    "freeze web": 2,
    "kill worker": 2,
    "kill a pool process": 2,
    "term worker": 1,
    "freeze worker": 1,
    "kill scheduler": 1,
    "kill trees": 3,
    "stop postgres": 4,
    "kill a postgres process": 2,
    "freeze postgres": 2,
    "cut connections": 2,
    "stop postgres, kill web": 2,
}
"""How often each of them comes, beside the others."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One of the plan: after a pause, to which of the web servers, for how long if it lasts."""

    pause_s: float
    kind: str
    web: int
    lasts_s: float


@dataclass(frozen=True, kw_only=True)
class Done:
    """One that has happened, from when to when; what it harmed may have needed longer."""

    kind: str
    began_at: float
    ended_at: float

    @property
    def is_of_process(self) -> bool:
        """Whether the database was left alone, so that another process could serve at once."""
        return "postgres" not in self.kind and "connections" not in self.kind


def planned(seed: int, *, seconds: float) -> Iterator[Fault]:
    """A plan without an end, to be followed for so long; the same for the same seed."""
    dice = random.Random(seed)
    if seconds > 3 * HOLD_OUTLIVED_S:
        yield Fault(pause_s=5, kind="freeze web", web=dice.randrange(2), lasts_s=HOLD_OUTLIVED_S)
    while True:
        yield Fault(
            pause_s=dice.uniform(*PAUSE_S),
            kind=dice.choices(list(KINDS), list(KINDS.values()))[0],
            web=dice.randrange(2),
            lasts_s=dice.uniform(0.5, 8),
        )


@dataclass(kw_only=True)
class Mischief:
    """Carries out a plan."""

    deployment: Deployment
    superuser: str
    tell: Callable[[str], None]

    def carry_out(self, plan: Iterator[Fault], *, seconds: float) -> list[Done]:
        """One after the other for so long; what each takes away is given back before the next."""
        done: list[Done] = []
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            fault = next(plan)
            time.sleep(fault.pause_s)
            began_at = time.monotonic()
            self.tell(f"{fault.kind}{f' {fault.web + 1}' if 'web' in fault.kind else ''}")
            self._befall(fault)
            done.append(Done(kind=fault.kind, began_at=began_at, ended_at=time.monotonic()))
        return done

    def _befall(self, fault: Fault) -> None:
        parts, web = self.deployment, self.deployment.webs[fault.web]
        match fault.kind.split(" "):
            case ["kill", "web"]:
                web.send(signal.SIGKILL)
            case ["term", *_, "web"]:
                self._ask_to_leave(web, is_patient="kill" not in fault.kind)
            case ["freeze", "web"]:
                self._freeze(web, fault.lasts_s)
            case ["kill", "worker"]:
                parts.worker.send(signal.SIGKILL)
            case ["kill", "a", "pool", "process"]:
                parts.worker.kill_a_child()
            case ["term", "worker"]:
                parts.worker.send(signal.SIGTERM, to_all=False)
            case ["freeze", "worker"]:
                self._freeze(parts.worker, fault.lasts_s)
            case ["kill", "scheduler"]:
                parts.scheduler.send(signal.SIGKILL)
            case ["kill", "trees"]:
                parts.others[0].send(signal.SIGKILL)
            case _:
                self._befall_database(fault, web)

    def _befall_database(self, fault: Fault, web: Web) -> None:
        server = self.deployment.database.server
        match fault.kind:
            case "kill a postgres process":
                with suppress(IndexError, ProcessLookupError):
                    os.kill(children(postmaster(server))[-1], signal.SIGKILL)
            case "freeze postgres":
                frozen = [first := postmaster(server), *children(first)]
                _send_all(frozen, signal.SIGSTOP)
                time.sleep(fault.lasts_s)
                _send_all(frozen, signal.SIGCONT)
            case "cut connections":
                with psycopg.connect(self.superuser, autocommit=True) as connection:
                    connection.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                    )
            case _:
                os.kill(postmaster(server), signal.SIGQUIT)
                while not server.has_ended():
                    time.sleep(0.02)
                if "kill web" in fault.kind:
                    time.sleep(1)  # what ended meanwhile is on disk
                    web.send(signal.SIGKILL)
                time.sleep(fault.lasts_s / 2)
                server.start()

    def _ask_to_leave(self, web: Web, *, is_patient: bool) -> None:
        web.send(signal.SIGTERM, to_all=False)
        if not web.ended(within_s=60 if is_patient else 1):
            web.send(signal.SIGKILL)

    def _freeze(self, process: Process, lasts_s: float) -> None:
        process.freeze()
        time.sleep(lasts_s)
        process.thaw()


def _send_all(pids: Sequence[int], number: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
