"""Refunds, grants, adjustments and top-ups from outside the ledger: nobody writes them, a decision stays a decision."""

from collections.abc import Generator, Mapping
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from billing import adjustments, grants, ledger, refunds, top_ups
from billing.errors import MovementRefused
from tenants.models import Organization
from tests import make
from tests.billing import money

TABLES = {
    "billing_refund": "amount",
    "billing_grant": "used",
    "billing_grantburn": "amount",
    "billing_grantcursor": "transfer",
    "billing_adjustment": "amount",
    "billing_gatewayevent": "body",
    "billing_topup": "state",
    "billing_bankclaim": "state",
    "billing_dispute": "state",
}
FUNCTIONS = (
    "billing_refund_settlement(gen_random_uuid(), gen_random_uuid(), 1, true, 'fault', 'r', 'a', 1)",
    "billing_decide_refund(gen_random_uuid(), true, 'a')",
    "billing_give(gen_random_uuid(), gen_random_uuid(), 'promo', 1, 'zero', 1, NULL, 'r', 'a', 1)",
    "billing_decide_grant(gen_random_uuid(), true, 'a')",
    "billing_attribute(gen_random_uuid(), 1)",
    "billing_expire_grant(gen_random_uuid())",
    "billing_adjust(gen_random_uuid(), 'adjustment', 1, 2, NULL, 1, 'r', 't', 'a', 1)",
    "billing_decide_adjustment(gen_random_uuid(), true, 'a')",
    "billing_charge_back(gen_random_uuid(), gen_random_uuid(), 1, NULL, 'r', 't', 'a')",
    "billing_set_wallet(gen_random_uuid(), 'open', 'r')",
    "billing_set_credit_limit(gen_random_uuid(), 1)",
    "billing_announce_top_up(gen_random_uuid(), gen_random_uuid(), 1, 'manual', 'r', 'a', 1)",
    "billing_decide_top_up(gen_random_uuid(), true, 'a')",
    "billing_keep_event('stripe', 'e', 'k', 'o', 'b')",
    "billing_apply_payment('stripe', 'e', 'x', 'paid', 1, 'p')",
    "billing_next_payment('stripe', '0', 1)",
    "billing_book_fee('stripe', 'x', 1)",
    "billing_give_up_payment('stripe', 'x')",
    "billing_end_unopened('stripe', 1, 1)",
    "billing_keep_claim(gen_random_uuid(), 'stripe', 'd')",
    "billing_next_claim('stripe')",
    "billing_drop_claim('stripe', 'e', gen_random_uuid())",
    "billing_explain_claim(gen_random_uuid(), 'r', 'a')",
    "billing_open_dispute(gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'fault', '', 'a')",
    "billing_reject_dispute(gen_random_uuid(), 'r', 'a')",
)
INNER = (
    "billing_make_refund(gen_random_uuid(), 'a')",
    "billing_make_grant(gen_random_uuid(), 'a')",
    "billing_make_adjustment(gen_random_uuid(), 'a')",
    "billing_credit_top_up(gen_random_uuid(), 'a', '')",
    "billing_burn(gen_random_uuid(), 1, 'spent', 1)",
    "billing_tell_dispute(gen_random_uuid())",
)


@pytest.fixture
def moved(acme: Organization) -> None:
    """One of each, done."""
    hold = money.hold(make.wallet(acme, 1_000), 100)
    money.settle(hold, markup=100)
    words: dict[str, Any] = {"reason": "r", "actor": "ann"}
    refunds.refund(id=uuid4(), hold_id=hold, amount_nanos=5, clawback=True, reason="fault", remark="r", actor="ann")
    grants.give(id=uuid4(), organization_id=acme.id, source="promo", amount_nanos=50, **words)
    money.settle(money.hold(acme, 20), markup=20)
    grants.attribute_spending()
    adjustments.charge_back(id=uuid4(), organization_id=acme.id, amount_nanos=1, ticket="T", **words)
    top_ups.enter(id=uuid4(), organization_id=acme.id, amount_nanos=5, reference="wire", actor="ann")


@pytest.fixture
def owner(database_urls: Mapping[str, str]) -> Generator[psycopg.Connection[tuple[Any, ...]]]:
    """A raw session of the role that owns the tables."""
    with money.connect(database_urls["owner"]) as connection:
        yield connection


@pytest.mark.parametrize("role", ["app", "platform"])
@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize(
    "statement", ["INSERT INTO {0} DEFAULT VALUES", "DELETE FROM {0}", "TRUNCATE {0}", "UPDATE {0} SET {1} = {1}"]
)
def test_no_role_that_serves_anybody_writes_them(
    statement: str, table: str, role: str, database_urls: Mapping[str, str]
) -> None:
    with money.connect(database_urls[role]) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement.format(table, TABLES[table]).encode())


@pytest.mark.parametrize("call", FUNCTIONS + INNER)
def test_who_serves_an_organization_moves_none_of_this_money(call: str, database_urls: Mapping[str, str]) -> None:
    with money.connect(database_urls["app"]) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(f"SELECT {call}".encode())


@pytest.mark.parametrize("call", INNER)
def test_not_even_the_platform_skips_the_question(call: str, database_urls: Mapping[str, str]) -> None:
    with money.connect(database_urls["platform"]) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(f"SELECT {call}".encode())


@pytest.mark.parametrize(
    ("table", "seen"),
    [
        ("billing_refund", 1), ("billing_grant", 1), ("billing_grantburn", 1), ("billing_topup", 2),
        ("billing_adjustment", 0), ("billing_gatewayevent", 0),
    ],
)  # fmt: skip
def test_an_organization_sees_its_own_and_nothing_of_staffs(
    table: str, seen: int, moved: None, acme: Organization, globex: Organization, database_urls: Mapping[str, str]
) -> None:
    counts = []
    for organization in (acme, globex):
        with money.connect(database_urls["app"]) as connection:
            connection.execute("SELECT set_config('robutler.organization_id', %s, false)", (str(organization.id),))
            counts.append(connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone())

    assert counts == [(seen,), (0,)]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE billing_refund SET amount = amount + 1",
        "UPDATE billing_refund SET state = 'rejected', group_id = NULL",
        "DELETE FROM billing_refund",
        "UPDATE billing_grant SET used = 0",
        "UPDATE billing_grant SET used = amount",
        "UPDATE billing_grant SET expires_at = now() + interval '1 year'",
        "UPDATE billing_grantburn SET amount = 1",
        "TRUNCATE billing_grantburn",
        "UPDATE billing_adjustment SET reason = 'another'",
        "DELETE FROM billing_adjustment",
        "UPDATE billing_topup SET amount = amount + 1",
        "UPDATE billing_topup SET state = 'pending', group_id = NULL",
        "UPDATE billing_topup SET state = 'created'",
        "DELETE FROM billing_topup",
    ],
)
def test_not_even_the_owner_edits_what_was_decided(
    statement: str, moved: None, owner: psycopg.Connection[tuple[Any, ...]]
) -> None:
    with pytest.raises(psycopg.errors.RestrictViolation):
        owner.execute(statement.encode())


def test_who_enters_money_by_hand_does_not_approve_it(acme: Organization) -> None:
    id, much = uuid4(), 1_000_000 * 10**9
    entered = top_ups.enter(
        id=id, organization_id=acme.id, amount_nanos=much, reference="transfer 7", actor="ann@example.test"
    )
    with pytest.raises(MovementRefused) as alone:
        top_ups.decide(id=id, approve=True, actor="ann@example.test")

    assert (entered, alone.value.outcome) == ("pending", "same_person")
    assert ledger.balance(acme.id).posted == 0
    assert top_ups.decide(id=id, approve=True, actor="bob@example.test") == "credited"
    assert ledger.balance(acme.id).posted == much


def test_nobody_decides_about_their_own_request_whoever_writes(
    acme: Organization, owner: psycopg.Connection[tuple[Any, ...]]
) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match="top_up_by_two_people"):
        owner.execute(
            "INSERT INTO billing_topup (id, organization_id, amount, reference, actor, alone_up_to, decided_by,"
            " group_id)"
            " SELECT gen_random_uuid(), %s, 1000, 'r', 'ann', 999, 'ann', max(id) FROM billing_transfergroup",
            (make.wallet(acme, 5).id,),
        )
