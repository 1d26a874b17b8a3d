"""A process that dies in the middle of runs: what was written down is settled, nothing stays held."""

import os
import signal
import subprocess
import sys

from agents.models import Run
from agents.services.housekeeping import close_abandoned_runs
from billing import ledger
from billing.models import Hold
from tenants.context import organization_context, platform_context
from tenants.models import Organization
from tests import make
from tests.agents.cast import CREDIT, script
from tests.billing.money import expire, sweep

VICTIM = """
import asyncio, django
django.setup()
from uuid import UUID
from tests.agents.cast import ask, caller_of
from agents.services import running
from agents.services.runs import start_run
from tenants.context import organization_context
from tenants.models import Organization
running.CHECKPOINT_S = 0.1
with organization_context(UUID("{organization}")):
    acme = Organization.objects.get(id="{organization}")

async def main():
    streams = [await start_run(caller=caller_of(acme), address="{agent}", request=ask()) for _ in range(5)]
    for _ in range(10):
        for stream in streams:
            await anext(stream)
    print("streaming", flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


def test_the_sweeper_settles_what_a_killed_process_had_written_down(
    acme: Organization, site_environment: dict[str, str]
) -> None:
    make.wallet(acme, CREDIT)
    agent = make.published(
        acme,
        skills=[script({"chunks": ["four" * 100] * 2000}, chunk_ms=20)],
        input_price_pico=0,
        output_price_pico=1_000_000,
    )
    code = VICTIM.format(organization=acme.id, agent=agent.slug)
    victim = subprocess.Popen([sys.executable, "-c", code], env=site_environment, stdout=subprocess.PIPE, text=True)
    try:
        assert victim.stdout is not None
        assert victim.stdout.readline() == "streaming\n"
    finally:
        os.kill(victim.pid, signal.SIGKILL)
        victim.communicate()
    held = ledger.balance(acme.id).held

    with platform_context(reason="let the holds of a dead process expire"):
        expire(*Hold.objects.filter(organization_id=acme.id).values_list("id", flat=True))
        sweep()
        settled = list(Hold.objects.filter(organization_id=acme.id).values_list("state", flat=True))

    after = ledger.balance(acme.id)
    assert held > 0
    assert settled == ["settled"] * 5
    assert after.held == 0
    assert CREDIT - after.available >= 5 * 5 * 100_000


def test_rows_of_runs_whose_process_died_are_ended(acme: Organization) -> None:
    agent = make.published(acme)
    with organization_context(acme.id):
        run = Run.objects.create(
            organization=acme, agent_organization_id=acme.id, agent=agent, version_id=agent.published_version_id,
            address=agent.slug, model="scripted/persona", request_id="r", started_at="2020-01-01T00:00Z",
        )  # fmt: skip

    assert close_abandoned_runs() >= 1

    with organization_context(acme.id):
        run.refresh_from_db()
    assert (run.status, run.error) == ("failed", "ProcessDied")
    assert run.ended_at is not None
