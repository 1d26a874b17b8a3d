"""The spool: what a database that is away cannot take is on disk, and in the books once it is back."""

import asyncio
import fcntl
import json
import logging
import resource
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from billing import committer, ledger, spool
from billing.errors import BillingBusy, BillingError, BillingUnavailable
from billing.operations import RELEASE, SETTLE, Operation
from tenants.models import Organization
from tests import make
from tests.billing import money


@pytest.fixture
def directory(settings: Any, tmp_path: Path) -> Iterator[Path]:
    """A spool of the test's own, as if the process had just begun."""
    settings.ROBUTLER = settings.ROBUTLER.model_copy(update={"spool_dir": tmp_path / "spool"})
    spool.stop()
    spool._spool_of.cache_clear()
    yield tmp_path / "spool"
    spool.stop()
    spool._spool_of.cache_clear()


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A database that takes no end of a hold, until this is undone."""
    _refusing(monkeypatch, BillingUnavailable("away"))
    return monkeypatch


def _refusing(monkeypatch: pytest.MonkeyPatch, error: BillingError) -> None:
    ask = committer.ask

    async def refuse(operation: Operation, rows: Any) -> Any:
        if operation in (SETTLE, RELEASE):
            raise error
        return await ask(operation, rows)

    monkeypatch.setattr(committer, "ask", refuse)


def _until_written() -> None:
    deadline = time.monotonic() + 10
    while ledger.waiting():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _lines(directory: Path) -> list[dict[str, Any]]:
    return [
        json.loads(line.partition(" ")[2])
        for path in directory.glob("*.lines")
        for line in path.read_text().splitlines()
    ]


def test_what_the_database_cannot_take_is_on_disk_and_then_in_the_books(
    acme: Organization, directory: Path, away: pytest.MonkeyPatch
) -> None:
    spent, unspent = (money.hold(make.wallet(acme, 1_000), 100) for _ in range(2))

    settled = money.settle(spent, cost=60)
    money.release(unspent)
    kept = _lines(directory)
    away.undo()
    _until_written()

    assert settled == ledger.Settled(charged_nanos=0, loss_nanos=0, deferred=True)
    assert [(line["operation"], line["row"][0]) for line in kept] == [
        ("billing_settle_many", str(spent)), ("billing_release_many", str(unspent)),
    ]  # fmt: skip
    assert ledger.balance(acme.id) == ledger.Balance(posted=1_940, held=0, available=1_940)
    assert spool.census() == spool.Census(waiting=0, refused=0)
    assert money.broken_rules() == {}


def test_while_something_waits_nothing_new_is_held(
    acme: Organization, directory: Path, away: pytest.MonkeyPatch
) -> None:
    money.settle(money.hold(make.wallet(acme, 1_000), 100), cost=60)

    with pytest.raises(BillingUnavailable, match="wait to be settled"):
        money.hold(acme, 1)
    away.undo()
    _until_written()

    money.hold(acme, 1)


def test_a_busy_wallet_holds_nobody_else_up(
    acme: Organization, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _refusing(monkeypatch, BillingBusy("locked"))

    assert money.settle(money.hold(make.wallet(acme, 1_000), 100), cost=60).deferred

    money.hold(acme, 1)


def test_only_the_operator_may_read_it_and_it_names_nobody(
    acme: Organization, directory: Path, away: pytest.MonkeyPatch
) -> None:
    money.settle(money.hold(make.wallet(acme, 1_000), 100), cost=60)

    [path] = directory.glob("*.lines")
    assert (stat.S_IMODE(path.stat().st_mode), stat.S_IMODE(directory.stat().st_mode)) == (0o600, 0o700)
    assert str(acme.id) not in path.read_text()


ENDS_AND_DIES = """
import asyncio, os, sys
import django
django.setup()
from uuid import UUID
from billing import committer, ledger
from billing.errors import BillingUnavailable
async def away(operation, rows):
    raise BillingUnavailable("away")
committer.ask = away
asyncio.run(ledger.settle(id=UUID(sys.argv[1]), cost_nanos=60, markup_nanos=0, fee_nanos=0, platform_credential=True,
    source="provider", status="finished"))
os.kill(os.getpid(), 9)
"""


def _leave_behind(id: UUID, environment: Mapping[str, str], directory: Path) -> Path:
    """The file of a process that ended a hold while the database was away, and was killed."""
    before = set(directory.glob("*.lines"))
    environment = {**environment, "ROBUTLER_SPOOL_DIR": str(directory)}
    subprocess.run([sys.executable, "-c", ENDS_AND_DIES, str(id)], env=environment, check=False, timeout=60)
    [path] = set(directory.glob("*.lines")) - before
    return path


def test_what_a_killed_process_left_is_taken_up_and_a_torn_line_passed_over(
    acme: Organization, directory: Path, site_environment: Mapping[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    id = money.hold(make.wallet(acme, 1_000), 100)
    path = _leave_behind(id, site_environment, directory)
    whole = path.read_bytes()
    path.write_bytes(whole + whole.replace(b"60", b"99") + whole[:-7])

    with caplog.at_level(logging.WARNING):
        ledger.start()
        _until(lambda: not path.exists())

    assert ledger.balance(acme.id) == ledger.Balance(posted=940, held=0, available=940)
    assert "The last line of" in caplog.text
    assert "is damaged" in caplog.text
    assert spool.census() == spool.Census(waiting=0, refused=1)


def test_a_file_whose_process_lives_is_left_alone(acme: Organization, directory: Path, database: None) -> None:
    directory.mkdir()
    other = directory / "1-other.lines"
    other.write_bytes(
        spool.Entry(operation=SETTLE, row=(uuid4(), 1, 0, 0, True, "provider", "finished", "", None)).line
    )
    with other.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        ours = spool.Spool(directory)
        ours.adopt()

        assert ours.waiting == 0
    ours.adopt()
    assert ours.waiting == 1


def test_two_that_find_the_same_file_do_not_both_take_it(directory: Path) -> None:
    directory.mkdir()
    (directory / "1-other.lines").write_bytes(spool.Entry(operation=RELEASE, row=(uuid4(), "failed")).line)
    first, second = spool.Spool(directory), spool.Spool(directory)

    first.adopt()
    second.adopt()

    assert (first.waiting, second.waiting) == (1, 0)


def test_what_is_repeated_from_a_file_is_charged_once(
    acme: Organization, directory: Path, site_environment: Mapping[str, str]
) -> None:
    id = money.hold(make.wallet(acme, 1_000), 100)
    path = _leave_behind(id, site_environment, directory)
    money.settle(id, cost=60)

    ledger.start()
    _until(lambda: not path.exists())

    assert ledger.balance(acme.id).posted == 940
    assert money.broken_rules() == {}


def test_on_a_full_disk_it_is_kept_in_memory_and_said_loudly(
    acme: Organization, directory: Path, away: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = (money.hold(make.wallet(acme, 1_000), 100) for _ in range(2))
    money.settle(first, cost=60)
    [path] = directory.glob("*.lines")
    before, limits = path.stat().st_size, resource.getrlimit(resource.RLIMIT_FSIZE)

    resource.setrlimit(resource.RLIMIT_FSIZE, (before + 20, limits[1]))
    try:
        assert money.settle(second, cost=60).deferred
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert path.stat().st_size == before
    assert "kept in memory only" in caplog.text
    assert ledger.waiting() == 2
    away.undo()
    _until_written()
    assert ledger.balance(acme.id).posted == 2_000 - 120


def test_what_is_in_memory_only_goes_to_disk_at_the_end_if_there_is_room_by_then(
    acme: Organization, directory: Path, away: pytest.MonkeyPatch
) -> None:
    id = money.hold(make.wallet(acme, 1_000), 100)
    directory.parent.joinpath("spool").write_text("in the way")
    assert money.settle(id, cost=60).deferred
    directory.unlink()

    spool.stop()

    assert [line["row"][0] for line in _lines(directory)] == [str(id)]


def test_what_the_books_refuse_is_put_aside_and_blocks_nobody(
    acme: Organization, directory: Path, away: pytest.MonkeyPatch
) -> None:
    make.wallet(acme, 1_000)
    nowhere, poison = uuid4(), money.hold(acme, 100)
    money.settle(nowhere, cost=60)
    money.settle(poison, cost=-60)

    away.undo()
    _until_written()

    assert spool.census() == spool.Census(waiting=0, refused=2)
    assert stat.S_IMODE(spool.refused().stat().st_mode) == 0o600
    money.hold(acme, 1)


def test_many_that_end_at_once_are_all_on_disk(acme: Organization, directory: Path, away: pytest.MonkeyPatch) -> None:
    ids = [money.hold(make.wallet(acme, 10), 10) for _ in range(60)]

    async def all_end() -> None:
        async with asyncio.TaskGroup() as group:
            for id in ids:
                group.create_task(ledger.release(id=id, status="failed"))

    money.run(all_end())

    assert {line["row"][0] for line in _lines(directory)} == set(map(str, ids))
    away.undo()
    _until_written()
    assert ledger.balance(acme.id).held == 0


def test_a_line_of_the_version_before_is_understood(acme: Organization, directory: Path) -> None:
    id = money.hold(make.wallet(acme, 1_000), 100)
    directory.mkdir()
    row = (id, 60, 0, 0, True, "provider", "finished", "stop")
    (directory / "1-other.lines").write_bytes(spool.Entry(operation=SETTLE, row=row).line)

    ledger.start()
    _until(lambda: not list(directory.glob("*.lines")))

    assert ledger.balance(acme.id).posted == 940


def test_what_the_books_take_never_comes_to_the_spool(acme: Organization, directory: Path) -> None:
    money.settle(money.hold(make.wallet(acme, 1_000), 100), cost=60)

    assert not directory.exists()


def _until(holds: Any) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
