"""Holds that nobody comes back for: expired, swept, settled late, or left by a killed process."""

import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID, uuid4

import pytest
from django.db import connections

from billing import ledger
from billing.models import Charge, Hold, Settlement
from billing.tasks import sweep_expired_holds
from tenants.context import organization_context
from tenants.models import Organization
from tests import make
from tests.billing import money

HOLDER = """
import asyncio, sys, time, uuid
import django
django.setup()
from billing import ledger
from billing.pricing import PriceTerms, Rated

async def main():
    payer = uuid.UUID(sys.argv[1])
    terms = PriceTerms(model=None, platform_credential=True, owner_is_payer=False)
    for number, text in enumerate(sys.argv[2:]):
        id = uuid.UUID(text)
        await ledger.hold(id=id, payer=payer, run_id=id, amount_nanos=100, reference="r", price=terms,
            beneficiary=None, ttl_s=1)
        if number % 2:
            await ledger.checkpoint({id: Rated(cost_nanos=7, markup_nanos=0, fee_nanos=0)}, ttl_s=1)
    print("holding", flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.fixture(autouse=True)
def swept(database: None) -> None:
    """What other tests abandoned is no part of what happens here."""
    money.sweep()


def test_a_hold_with_nothing_spent_expires_and_nobody_owes(acme: Organization) -> None:
    id = money.hold(make.wallet(acme, 1_000), 600)
    money.expire(id)

    assert sum(iter(sweep_expired_holds, 0)) >= 1

    assert money.state(id) == ("expired", "orphaned")
    assert ledger.balance(acme.id).available == 1_000


def test_a_hold_with_a_checkpoint_is_settled_for_it(acme: Organization, globex: Organization) -> None:
    books = money.Books()
    id = money.hold(make.wallet(acme, 1_000), 600, creator=globex)
    money.checkpoint(id, cost=100, markup=20, fee=3)
    money.checkpoint(id, cost=90, markup=25, fee=3)
    money.expire(id)

    money.sweep()

    assert money.state(id) == ("settled", "orphaned")
    assert books.changes() == {
        "platform_revenue": 103, "creator_earnings": 25, "provider_cost": 100, "provider_payable": 100,
    }  # fmt: skip
    with organization_context(acme.id):
        assert Settlement.objects.get(hold_id=id).source == "checkpoint"
    assert money.broken_rules() == {}


def test_a_checkpoint_keeps_a_hold_alive(acme: Organization) -> None:
    id = money.hold(make.wallet(acme, 1_000), 600)
    money.expire(id)

    money.checkpoint(id, cost=1)
    money.sweep()

    assert money.state(id) == ("open", "authorized")


def test_a_checkpoint_never_shortens_a_life(acme: Organization) -> None:
    id = money.hold(make.wallet(acme, 1_000), 600, ttl_s=3_600)

    def expires_at() -> datetime:
        with organization_context(acme.id):
            return Hold.objects.get(id=id).expires_at

    before = expires_at()
    money.checkpoint(id, cost=1)

    assert expires_at() == before


def test_a_checkpoint_of_nothing_is_nothing() -> None:
    money.run(ledger.checkpoint({}))


def test_what_comes_late_is_settled_once_out_of_what_is_left(acme: Organization, globex: Organization) -> None:
    books = money.Books()
    id = money.hold(make.wallet(acme, 1_000), 600, creator=globex)
    money.expire(id)
    money.sweep()
    money.hold(acme, 900)

    first = money.settle(id, cost=130, markup=50)
    again = money.settle(id, cost=130, markup=50)

    assert first == again == ledger.Settled(charged_nanos=100, loss_nanos=30)
    assert money.state(id) == ("late", "finished")
    assert ledger.balance(acme.id).available == 0
    assert books.changes() == {
        "platform_revenue": 100, "provider_cost": 100, "provider_payable": 130, "overrun_loss": 30,
    }  # fmt: skip
    assert money.broken_rules() == {}


def test_what_the_sweeper_settled_stays_settled(acme: Organization) -> None:
    id = money.hold(make.wallet(acme, 1_000), 600)
    money.checkpoint(id, cost=100)
    money.expire(id)
    money.sweep()

    assert money.settle(id, cost=400).charged_nanos == 100
    assert money.state(id) == ("settled", "orphaned")


def test_a_free_run_that_never_ended_is_closed_once_no_run_can_last_so_long(acme: Organization) -> None:
    books = money.Books()
    old, young = money.hold(acme, 0), money.hold(acme, 0)
    with connections["owner"].cursor() as cursor:
        cursor.execute("ALTER TABLE billing_charge DISABLE TRIGGER guard")
        started = "UPDATE billing_charge SET started_at = now() - make_interval(mins => %s) WHERE id = %s"
        cursor.execute(started, (25 * 60 + 1, old))
        cursor.execute(started, (24 * 60, young))
        cursor.execute("ALTER TABLE billing_charge ENABLE TRIGGER guard")

    money.sweep()

    with organization_context(acme.id):
        statuses = {charge.id: charge.status for charge in Charge.objects.all()}
    assert statuses == {old: "orphaned", young: "authorized"}
    # Should it end after all, what it cost is booked.
    for _ in range(2):
        assert money.settle(old, cost=70) == ledger.Settled(charged_nanos=0, loss_nanos=70)
    assert books.changes() == {"overrun_loss": 70, "provider_payable": 70}
    assert money.broken_rules() == {}


def test_one_sweeper_at_a_time(acme: Organization, database_urls: Mapping[str, str]) -> None:
    id = money.hold(make.wallet(acme, 1_000), 600)
    money.expire(id)

    with money.connect(database_urls["platform"]) as other, other.transaction():
        other.execute("SELECT pg_advisory_xact_lock(hashtextextended('billing_sweep', 0))")
        assert ledger.sweep_expired() == 0
    assert ledger.sweep_expired() >= 1


def test_a_database_that_has_just_come_back_is_left_to_processes_that_live(acme: Organization) -> None:
    id = money.hold(make.wallet(acme, 1_000), 600)
    money.expire(id)

    just_back = ledger.sweep_expired(grace_s=10**6)
    untouched = money.state(id)
    ledger.sweep_expired(grace_s=0.001)

    assert just_back == 0
    assert untouched == ("open", "authorized")
    assert money.state(id) == ("expired", "orphaned")


def test_a_sweep_takes_no_more_than_its_limit(acme: Organization) -> None:
    make.wallet(acme, 1_000)
    money.sweep()
    money.expire(*(money.hold(acme, 1) for _ in range(3)))

    assert [ledger.sweep_expired(limit=2), ledger.sweep_expired(limit=2), ledger.sweep_expired(limit=2)] == [2, 1, 0]


def test_a_process_killed_in_the_middle_leaves_nothing_open(
    acme: Organization, site_environment: dict[str, str]
) -> None:
    make.wallet(acme, 1_000)
    ids = [uuid4() for _ in range(6)]
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(acme.id), *map(str, ids)],
        env=site_environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == "holding\n"
        process.kill()
        process.wait()

    states = _swept(acme.id, ids)

    assert states == ["expired", "settled"] * 3
    assert ledger.balance(acme.id) == ledger.Balance(posted=979, held=0, available=979)
    assert money.broken_rules() == {}


def _swept(payer: UUID, ids: list[UUID]) -> list[str]:
    deadline = time.monotonic() + 15
    states: dict[UUID, str] = {}
    while "open" in states.values() or not states:
        assert time.monotonic() < deadline, states
        time.sleep(0.05)
        money.sweep()
        with organization_context(payer):
            states = dict(Hold.objects.values_list("id", "state"))
    return [states[id] for id in ids]
