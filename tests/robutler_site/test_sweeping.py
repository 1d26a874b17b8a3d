"""The scheduler and a worker together: money on hold for a run that died comes back by itself."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from billing import ledger
from billing.rating import PriceTerms, Rated
from tenants.models import Organization
from tests import make
from tests.robutler_site.conftest import eventually

TERMS = PriceTerms(model=None, platform_credential=True, owner_is_payer=False)


@pytest.fixture
def background(site_environment: dict[str, str], tmp_path: Path) -> Generator[Path]:
    """One worker of the queue `billing` and one scheduler; their output is in the file."""
    log = tmp_path / "background.log"
    celery = (sys.executable, "-m", "celery", "-A", "robutler_site")
    commands = (
        (*celery, "worker", "--queues", "billing", "--concurrency", "1", "--hostname", f"{uuid4().hex}@test"),
        (*celery, "beat", "--pidfile", ""),
    )
    with log.open("ab") as output:
        started = [
            subprocess.Popen(command, env=site_environment, stdout=output, stderr=output, start_new_session=True)
            for command in commands
        ]
    yield log
    for process in started:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)


async def abandon(payer: UUID, *, held: int, spent: int) -> UUID:
    """Hold money, spend some of it, and never come back."""
    hold = uuid4()
    await ledger.hold(
        id=hold,
        payer=payer,
        run_id=hold,
        amount_nanos=held,
        reference="abandoned",
        price=TERMS,
        beneficiary=None,
        ttl_s=1,
    )
    await ledger.checkpoint({hold: Rated(cost_nanos=spent, markup_nanos=0, fee_nanos=0)}, ttl_s=1)
    return hold


def test_an_abandoned_hold_is_settled_for_what_was_spent(acme: Organization, background: Path) -> None:
    make.wallet(acme, 1_000)
    asyncio.run(abandon(acme.id, held=600, spent=100))

    settled = eventually(lambda: ledger.balance(acme.id).held == 0, within_s=60)

    assert settled, background.read_text()
    assert ledger.balance(acme.id).available == 900
