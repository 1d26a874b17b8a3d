"""Figures by the hour are the ledger's, to the nanodollar, whenever they are looked at."""

from collections.abc import Mapping
from dataclasses import replace
from random import Random
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from django.db import OperationalError, ProgrammingError, connection, connections

from billing import rollups
from billing.lines import Line
from billing.models import JournalHour, UsageHour
from billing.operations import SETTLE
from tenants.context import PLATFORM, atomic, organization_context
from tenants.models import Organization
from tests import make
from tests.billing import figures, money


def settle_in(session: psycopg.Connection[Any], id: UUID, cost: int) -> None:
    """The end of a hold in a transaction that is still open."""
    row = (id, cost, 0, 0, True, "provider", "finished", "", "[]")
    session.execute(SETTLE.statement, [[value] for value in row])


def charged(organization: Organization) -> int:
    with organization_context(organization.id):
        return sum(UsageHour.objects.values_list("charged", flat=True))


@pytest.mark.parametrize("seed", range(4))
def test_a_random_history_adds_up(seed: int, database: None) -> None:
    dice = Random(seed)
    payers = [make.wallet(make.organization(), 5_000) for _ in range(3)]
    for _ in range(3):
        for _ in range(6):
            payer, creator = dice.choice(payers), dice.choice([*payers, None])
            run = money.hold(payer, dice.choice([0, 100]), creator=creator)
            if dice.random() < 0.2:
                money.release(run)
            else:
                money.settle(run, cost=dice.randint(0, 90), markup=dice.randint(0, 60), fee=dice.randint(0, 9))
        figures.caught_up()

    assert rollups.differences() == 0


def test_each_figure_is_there(acme: Organization, globex: Organization) -> None:
    money.settle(money.hold(make.wallet(acme, 10_000), 5_000, creator=globex), cost=100, markup=40, fee=6)
    money.settle(money.hold(acme, 5_000, creator=globex), cost=30, markup=0, fee=1, source="counted")

    figures.caught_up()

    with organization_context(acme.id):
        (row,) = UsageHour.objects.values(
            *("calls", "charged", "cost", "own_cost", "markup", "fee", "creator_share", "platform_share", "loss"),
            *("estimated", "beneficiary", "reference"),
        )
    assert row == {
        "calls": 2,
        "charged": 177,
        "cost": 130,
        "own_cost": 130,
        "markup": 40,
        "fee": 7,
        "creator_share": 40,
        "platform_share": 137,
        "loss": 0,
        "estimated": 31,
        "beneficiary": globex.id,
        "reference": "run",
    }


def test_a_run_counts_with_its_key_and_the_model_that_cost_most(acme: Organization) -> None:
    key = uuid4()
    used = Line(
        part="cost", sku="a/small", unit="input", quantity=7, price_pico=1_000, amount_pico=7_000, source="provider"
    )
    lines = (
        used,
        replace(used, unit="cached_input", quantity=3, amount_pico=3_000),
        replace(used, sku="b/large", unit="output", quantity=20, amount_pico=20_000),
        replace(used, sku="b/large", unit="reasoning", quantity=70, amount_pico=70_000),
        replace(used, sku="c/failed", unit="output", quantity=500, amount_pico=500_000, billable=False, reason="retry"),
        replace(used, sku="a/search", unit="search", quantity=1, amount_pico=1_000),
    )
    money.settle(money.hold(make.wallet(acme, 10_000), 5_000, key_id=key), cost=101, lines=lines)

    figures.caught_up()

    with organization_context(acme.id):
        rows = list(UsageHour.objects.values_list("model", "key_id", "input_tokens", "output_tokens", "charged"))
    assert rows == [("b/large", key, 10, 90, 101)]


def test_a_loss_without_a_hold_is_a_figure_too(acme: Organization) -> None:
    money.settle(money.hold(acme, 0), cost=70)

    figures.caught_up()

    with organization_context(acme.id):
        assert list(UsageHour.objects.values_list("calls", "charged", "own_cost", "loss")) == [(1, 0, 70, 70)]


def test_what_is_read_twice_counts_once(acme: Organization) -> None:
    money.settle(money.hold(make.wallet(acme, 1_000), 500), cost=100)

    for _ in range(3):
        figures.caught_up()

    assert charged(acme) == 100


def test_a_settlement_that_is_committed_late_is_not_skipped(
    acme: Organization, database_urls: Mapping[str, str]
) -> None:
    slow, quick = money.hold(make.wallet(acme, 1_000), 500), money.hold(acme, 500)
    figures.caught_up()
    with psycopg.connect(database_urls["platform"]) as session:
        settle_in(session, slow, 100)
        other = make.organization("Other")
        hold = money.hold(make.wallet(other, 1_000), 500)
        money.settle(hold, cost=7)

        assert not rollups.refresh()
        seen_meanwhile = charged(other)
        session.commit()
    money.settle(quick, cost=20)

    figures.caught_up()
    assert (seen_meanwhile, charged(acme), charged(other)) == (0, 120, 7)
    assert rollups.differences() == 0


def test_what_was_given_up_is_not_waited_for(acme: Organization, database_urls: Mapping[str, str]) -> None:
    given_up, kept = money.hold(make.wallet(acme, 1_000), 500), money.hold(acme, 500)
    with psycopg.connect(database_urls["platform"]) as session:
        settle_in(session, given_up, 100)
        session.rollback()
    money.settle(kept, cost=20)

    figures.caught_up()
    assert charged(acme) == 20


def test_books_restored_on_another_server_are_read_on(acme: Organization) -> None:
    with connections["owner"].cursor() as cursor:
        cursor.execute("UPDATE billing_watermark SET horizon = 4000000000000 WHERE job = 'rollups'")
    money.settle(money.hold(make.wallet(acme, 1_000), 500), cost=100)

    figures.caught_up()
    assert charged(acme) == 100


def test_a_job_that_has_begun_to_write_cannot_tell_how_far_it_may_read(database: None) -> None:
    with money.everything(), atomic(), connections[PLATFORM].cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()")
        with pytest.raises(OperationalError, match="has to begin with reading"), atomic():
            cursor.execute("SELECT billing_roll_up(10)")


def test_figures_made_anew_are_the_same(acme: Organization, globex: Organization) -> None:
    money.settle(money.hold(make.wallet(acme, 1_000), 500, creator=globex), cost=100, markup=11)
    figures.caught_up()
    before = _rows()
    with connections["owner"].cursor() as cursor:
        cursor.execute("UPDATE billing_usagehour SET charged = charged + 1, platform_share = platform_share + 1")
    assert rollups.differences() > 0

    rollups.rebuild()

    assert _rows() == before
    assert rollups.differences() == 0


def test_figures_are_their_payers_alone(acme: Organization, globex: Organization) -> None:
    money.settle(money.hold(make.wallet(acme, 1_000), 500, creator=globex), cost=100)
    figures.caught_up()

    assert (charged(acme), charged(globex)) == (100, 0)
    with organization_context(globex.id), connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM billing_usagehour WHERE organization_id = %s", (acme.id,))
        assert cursor.fetchone() == (0,)


@pytest.mark.parametrize("table", ["billing_usagehour", "billing_journalhour", "billing_watermark", "billing_seal"])
def test_nobody_writes_figures_by_hand(table: str, database: None) -> None:
    denied = pytest.raises(ProgrammingError, match="permission denied")
    with money.everything(), connections[PLATFORM].cursor() as cursor, denied:
        cursor.execute(f"DELETE FROM {table}")


def _rows() -> list[tuple[Any, ...]]:
    with money.everything():
        return [
            *sorted(UsageHour.objects.values_list("hour", "organization_id", "charged", "calls")),
            *sorted(JournalHour.objects.values_list("hour", "kind", "debit_id", "credit_id", "amount")),
        ]
