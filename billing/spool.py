"""The spool: the ends of holds that the database could not take, on disk until it can."""

import asyncio
import errno
import fcntl
import json
import logging
import os
import threading
import zlib
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings

from billing import committer
from billing.errors import BillingBusy, BillingError, BillingUnavailable
from billing.operations import RELEASE, SETTLE, Operation

PAUSE_S = 0.5
BUSY_PAUSE_S = 2.0
AT_ONCE = 256
ASIDE = "refused.lines"
_OPERATIONS = {operation.name: operation for operation in (SETTLE, RELEASE)}
_ENDED = {SETTLE.name: "settled", RELEASE.name: "released"}

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, eq=False)
class Entry:
    """One end of a hold. `away`: the database did not answer at all, so nothing new may be started."""

    operation: Operation
    row: tuple[Any, ...]
    away: bool = True

    @property
    def line(self) -> bytes:
        """How it stands in a file: a checksum, then JSON."""
        text = json.dumps({"operation": self.operation.name, "row": self.row}, default=str, separators=(",", ":"))
        return f"{zlib.crc32(text.encode()):08x} {text}\n".encode()


@dataclass(frozen=True, kw_only=True)
class Census:
    """What lies in the spool's directory: ends of holds that wait, and those that the books refused."""

    waiting: int
    refused: int


async def keep(operation: Operation, row: tuple[Any, ...], *, away: bool) -> None:
    """Have an end of a hold on disk, to be written to the books when they answer; returns once it is durable."""
    await asyncio.to_thread(_spool().keep, Entry(operation=operation, row=row, away=away))


def start() -> None:
    """Take up what processes left that are no more, now and whenever one is found to have died."""
    _spool().watch()


def stop() -> None:
    """Look at the spool no longer; what still waits in it is taken up by the next process."""
    if _is_open(os.getpid()):
        _spool().stop()


def waiting() -> int:
    """How many ends of holds this process still has to bring to the books."""
    return _spool().waiting if _is_open(os.getpid()) else 0


def is_blocking() -> bool:
    """Whether ends of holds wait because the database was away: until they are written, nothing new may be held."""
    return _is_open(os.getpid()) and _spool().is_blocking


def census() -> Census:
    """Count what lies in the directory, whoever wrote it."""
    lines = sum(path.read_bytes().count(b"\n") for path in _files(_directory()))
    aside = refused()
    return Census(waiting=lines, refused=aside.read_bytes().count(b"\n") if aside.exists() else 0)


def refused() -> Path:
    """The file of what the books refused."""
    return _directory() / ASIDE


class Spool:
    """The ends of holds of one process, in memory and in a file that is locked for as long as the process lives.

    What cannot be written to the file stays in memory and is brought to the books all the same, unless the process dies
    before: then the sweeper settles what was checkpointed.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._entries: dict[Entry, int | None] = {}
        """Those that wait, and the descriptor of the file that each is in."""
        self._changing = threading.Lock()
        self._own: int | None = None
        self._syncing = threading.Lock()
        self._written = self._synced = 0
        self._adopted: dict[int, Path] = {}
        self._wake = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._entries)

    @property
    def is_blocking(self) -> bool:
        """Whether one of them waits because the database was away."""
        return bool(self._entries) and any(entry.away for entry in tuple(self._entries))

    def keep(self, entry: Entry) -> None:
        """Write an entry down."""
        try:
            written = self._append(entry)
        except OSError as error:
            with self._changing:
                self._entries[entry] = None
            _log.critical(
                "The spool cannot be written (%s): the end of hold %s is kept in memory only; make room in %s.",
                error.strerror, entry.row[0], self._directory,
            )  # fmt: skip
        else:
            self._sync(written)
        self.watch()
        self._wake.set()

    def watch(self) -> None:
        """Look after what waits, from a thread of its own."""
        with self._changing:
            if self._thread is None or not self._thread.is_alive():
                self._stopping = False
                self._thread = threading.Thread(target=self._work, name="ledger-spool", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """Stop looking; what is in memory only is told, line by line: there is no other trace of it."""
        self._stopping = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(2 * settings.ROBUTLER.ledger_stall_s)
        for entry in [entry for entry, file in tuple(self._entries.items()) if file is None]:
            try:
                self._sync(self._append(entry))
            except OSError:
                _log.critical("Lost with this process, for lack of disk: %s", entry.line.decode().strip())

    def adopt(self) -> None:
        """Take over the files of processes that are no more; who gets its lock has it."""
        for path in _files(self._directory):
            with suppress(FileNotFoundError):
                file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
                if not _locked(file) or not _is_at(file, path):
                    os.close(file)
                    continue
                self._take_over(file, path)

    def _take_over(self, file: int, path: Path) -> None:
        lines = path.read_bytes().splitlines(keepends=True)
        entries = [entry for line in lines if (entry := _entry(line)) is not None]
        if lines and not lines[-1].endswith(b"\n"):
            # Whoever wrote it died before it told anybody that it was done: the sweeper settles what was checkpointed.
            _log.error("The last line of %s is torn and passed over.", path.name)
            del lines[-1]
        for line in lines:
            if _entry(line) is None:
                self._put_aside(line, f"A line of {path.name} is damaged.")
        _log.warning("%d ends of holds of a process that is no more are taken up from %s.", len(entries), path.name)
        with self._changing:
            self._adopted[file] = path
            _open_files.add(file)
            self._entries.update(dict.fromkeys(entries, file))
        self._let_go_of_empty()

    # --- the file ---

    def _append(self, entry: Entry) -> int:
        line = entry.line
        with self._changing:
            file = self._opened()
            before = os.fstat(file).st_size
            try:
                if os.write(file, line) < len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            except OSError:
                with suppress(OSError):
                    os.ftruncate(file, before)
                raise
            self._entries[entry] = file
            self._written += 1
            return self._written

    def _sync(self, written: int) -> None:
        """Wait until so many lines are durable; one look at the disk does for all that were written before it."""
        with self._syncing:
            if self._synced >= written:
                return
            reached, file = self._written, self._own
            assert file is not None
            try:
                os.fdatasync(file)
            except OSError as error:
                _log.critical("The spool is not durable (%s): look at the disk of %s.", error.strerror, self._directory)
            self._synced = reached

    def _opened(self) -> int:
        if self._own is None:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            path = self._directory / f"{os.getpid()}-{uuid4().hex}.lines"
            # It is locked before it has its name, so that nobody takes it for an orphan's.
            unnamed = path.with_suffix(".new")
            self._own = os.open(unnamed, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._own, fcntl.LOCK_EX)
            unnamed.rename(path)
            _sync_directory(self._directory)
            _open_files.add(self._own)
        return self._own

    def _let_go_of_empty(self) -> None:
        with self._changing:
            used = set(self._entries.values())
            if self._own is not None and self._own not in used:
                os.ftruncate(self._own, 0)
            for file in self._adopted.keys() - used:
                self._adopted.pop(file).unlink(missing_ok=True)
                _open_files.discard(file)
                os.close(file)

    # --- bringing it to the books ---

    def _work(self) -> None:
        while not self._stopping:
            self.adopt()
            if self._entries:
                asyncio.run(self._replay())
            self._wake.wait(PAUSE_S if self.is_blocking else BUSY_PAUSE_S)
            self._wake.clear()

    async def _replay(self) -> None:
        """Ask for one; only if that is answered are the others asked for."""
        entries = list(self._entries)
        if not await self._ended(entries[0]):
            return
        for start in range(1, len(entries), AT_ONCE):
            async with asyncio.TaskGroup() as group:
                for entry in entries[start : start + AT_ONCE]:
                    group.create_task(self._ended(entry))
        self._let_go_of_empty()

    async def _ended(self, entry: Entry) -> bool:
        """Whether the books answered, be it with a refusal: such an end is put aside for somebody to look at."""
        try:
            answer = await committer.ask(entry.operation, (entry.row,))
        except BillingUnavailable:
            return False
        except BillingBusy:
            return True
        except BillingError as error:
            self._put_aside(entry.line, f"The books refuse the end of hold {entry.row[0]}: {error}")
        else:
            outcome = answer.rows[0][1]
            if outcome == "unknown":
                self._put_aside(entry.line, f"There is no hold {entry.row[0]} that could be ended.")
            elif outcome != _ENDED[entry.operation.name]:
                _log.warning("The hold %s had ended otherwise before its end was written.", entry.row[0])
        with self._changing:
            self._entries.pop(entry, None)
        return True

    def _put_aside(self, line: bytes, why: str) -> None:
        _log.error("%s It is put aside in %s.", why, ASIDE)
        try:
            file = os.open(self._directory / ASIDE, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.write(file, line)
                os.fdatasync(file)
            finally:
                os.close(file)
        except OSError:
            _log.critical("It cannot be put aside either: %s", line.decode(errors="replace").strip())


_open_files: set[int] = set()
_opened_by: set[int] = set()


def _spool() -> Spool:
    return _spool_of(os.getpid())


@cache
def _spool_of(pid: int) -> Spool:
    # One for each process: threads do not survive a fork.
    _opened_by.add(pid)
    return Spool(_directory())


def _is_open(pid: int) -> bool:
    return pid in _opened_by


def _leave_to_parent() -> None:
    # A child that kept the parent's file open would keep its lock, too, when the parent has died.
    for file in _open_files:
        os.close(file)
    _open_files.clear()


os.register_at_fork(after_in_child=_leave_to_parent)


def _directory() -> Path:
    known = settings.ROBUTLER
    return Path(known.spool_dir or known.var_dir / "spool")


def _files(directory: Path) -> list[Path]:
    return sorted(path for path in directory.glob("*.lines") if path.name != ASIDE)


def _entry(line: bytes) -> Entry | None:
    """What a line says; None when it is damaged, or of a later version."""
    checksum, _, text = line.removesuffix(b"\n").partition(b" ")
    if not line.endswith(b"\n") or checksum != f"{zlib.crc32(text):08x}".encode():
        return None
    told = json.loads(text)
    operation = _OPERATIONS.get(told["operation"])
    if operation is None or len(told["row"]) > len(operation.types):
        return None
    # What an earlier version did not know is not said.
    told_all = told["row"] + [None] * (len(operation.types) - len(told["row"]))
    typed = zip(operation.types, told_all, strict=True)
    return Entry(operation=operation, row=tuple(UUID(value) if kind == "uuid" else value for kind, value in typed))


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(file: int, path: Path) -> bool:
    """Whether the file still has its name: another process may have been faster."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


def _sync_directory(directory: Path) -> None:
    opened = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
