"""Many people at once on the same money: it moves once."""

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from billing import ledger, refunds, top_ups
from tenants.models import Organization
from tests import make
from tests.billing import money

DOLLAR = 10**9


def at_once(urls: Mapping[str, str], calls: Sequence[tuple[str, tuple[Any, ...]]]) -> Counter[str]:
    """How often each answer came, when all were asked at once by as many sessions."""

    def ask(call: tuple[str, tuple[Any, ...]]) -> str:
        with psycopg.connect(urls["platform"], autocommit=True) as connection:
            row = connection.execute(call[0].encode(), call[1]).fetchone()
        assert row is not None
        return str(row[0])

    with ThreadPoolExecutor(max_workers=16) as pool:
        return Counter(pool.map(ask, calls))


@pytest.fixture
def charged(acme: Organization, globex: Organization) -> UUID:
    """Acme paid 100 to Globex and the platform."""
    hold = money.hold(make.wallet(acme, 1_000 * DOLLAR), 100, creator=globex)
    money.settle(hold, cost=30, markup=60, fee=10)
    return hold


def test_c8_fifty_refunds_at_once_give_back_no_more_than_was_charged(
    charged: UUID, acme: Organization, database_urls: Mapping[str, str]
) -> None:
    call = "SELECT billing_refund_settlement(%s, %s, 7, %s, 'fault', 'r', 'ann', 1000)"

    answers = at_once(database_urls, [(call, (uuid4(), charged, n % 2 == 0)) for n in range(50)])

    assert answers == {"made": 14, "too_much": 36}
    assert ledger.balance(acme.id).posted == 1_000 * DOLLAR - 2
    assert refunds.refundable(charged) == 2
    assert money.broken_rules() == {}


def test_c8_one_refund_asked_for_fifty_times_at_once_is_one(
    charged: UUID, acme: Organization, database_urls: Mapping[str, str]
) -> None:
    call, id = "SELECT billing_refund_settlement(%s, %s, 7, true, 'fault', 'r', 'ann', 1000)", uuid4()

    answers = at_once(database_urls, [(call, (id, charged))] * 50)

    assert answers == {"made": 50}
    assert ledger.balance(acme.id).posted == 1_000 * DOLLAR - 93


def test_f63_two_admins_approve_the_same_refund(
    charged: UUID, acme: Organization, database_urls: Mapping[str, str]
) -> None:
    id = uuid4()
    with psycopg.connect(database_urls["platform"], autocommit=True) as connection:
        connection.execute("SELECT billing_refund_settlement(%s, %s, 70, true, 'fault', 'r', 'ann', 10)", (id, charged))

    answers = at_once(
        database_urls,
        [("SELECT billing_decide_refund(%s, true, %s)", (id, f"admin {n}")) for n in range(8)],
    )

    assert answers == {"made": 8}
    assert ledger.balance(acme.id).posted == 1_000 * DOLLAR - 30


def test_f63_two_admins_approve_the_same_top_up(acme: Organization, database_urls: Mapping[str, str]) -> None:
    id = uuid4()
    top_ups.enter(
        id=id, organization_id=acme.id, amount_nanos=900 * DOLLAR, reference="wire 9", actor="ann@example.test"
    )

    answers = at_once(
        database_urls,
        [("SELECT billing_decide_top_up(%s, true, %s)", (id, f"admin {n}")) for n in range(8)],
    )

    assert answers == {"credited": 8}
    assert ledger.balance(acme.id).posted == 900 * DOLLAR


def test_a_group_is_reversed_once_whoever_else_tries(acme: Organization, database_urls: Mapping[str, str]) -> None:
    make.wallet(acme, 100)
    call = (
        "SELECT billing_adjust(%s, 'reversal', NULL, NULL, (SELECT max(id) FROM billing_transfergroup"
        " WHERE organization_id = %s AND kind = 'top_up'), 1, 'r', 't', %s, 1000)"
    )

    answers = at_once(database_urls, [(call, (uuid4(), acme.id, f"admin {n}")) for n in range(12)])

    assert answers["made"] == 1
    assert set(answers) <= {"made", "reversed", "insufficient", "returned"}
    assert ledger.balance(acme.id).posted == 0


def test_a_grant_is_spent_once_however_many_work_it_out(acme: Organization, database_urls: Mapping[str, str]) -> None:
    with psycopg.connect(database_urls["platform"], autocommit=True) as connection:
        connection.execute(
            "SELECT billing_give(%s, %s, 'promo', 500, 'zero', 50, NULL, 'r', 'ann', 1000)", (uuid4(), acme.id)
        )
    for _ in range(10):
        money.settle(money.hold(acme, 30), markup=30)

    seen = at_once(database_urls, [("SELECT billing_attribute(%s, 100)", (acme.id,))] * 12)

    assert sum(int(count) * times for count, times in seen.items()) == 10
    assert money.broken_rules() == {}
