"""Money seen and touched from outside the ledger: organizations see their own, nobody writes, nothing is undone."""

from collections.abc import Callable, Generator, Mapping
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from billing.lines import Line
from billing.operations import CHECKPOINT, EXTEND, HOLD, RELEASE, SETTLE, Operation
from tenants.models import Organization
from tests import make
from tests.billing import money

TABLES = {
    "billing_account": "credits_posted",
    "billing_charge": "status",
    "billing_hold": "state",
    "billing_settlement": "charged",
    "billing_transfergroup": "memo",
    "billing_transfer": "amount",
    "billing_topup": "amount",
    "billing_usageline": "amount_pico",
}
PRICES = ("billing_pricelist", "billing_priceversion", "billing_priceitem")
APPEND_ONLY = ("billing_settlement", "billing_transfergroup", "billing_transfer", "billing_topup", "billing_usageline")

LINES = (
    Line(part="cost", sku="m", unit="input", quantity=50, price_pico=2_000, amount_pico=100_000, source="provider"),
    Line(part="markup", sku="a/m", unit="call", quantity=1, price_pico=40_000, amount_pico=40_000, source="provider"),
    Line(
        part="fee", sku="fee", unit="basis_points", quantity=140, price_pico=350, amount_pico=4_900, source="provider"
    ),
)


@pytest.fixture
def settled(acme: Organization, globex: Organization) -> UUID:
    """Acme paid for a run of Globex's agent."""
    make.wallet(globex, 50)
    id = money.hold(make.wallet(acme, 1_000), 500, creator=globex)
    money.settle(id, cost=100, markup=40, fee=5, lines=LINES)
    return id


@pytest.fixture
def app(database_urls: Mapping[str, str]) -> Generator[psycopg.Connection[tuple[Any, ...]]]:
    """A raw session of the role that serves requests."""
    with money.connect(database_urls["app"]) as connection:
        yield connection


@pytest.fixture
def owner(database_urls: Mapping[str, str]) -> Generator[psycopg.Connection[tuple[Any, ...]]]:
    """A raw session of the role that owns the tables."""
    with money.connect(database_urls["owner"]) as connection:
        yield connection


def _as(connection: psycopg.Connection[tuple[Any, ...]], organization: UUID) -> None:
    connection.execute("SELECT set_config('robutler.organization_id', %s, false)", (str(organization),))


def _count(connection: psycopg.Connection[tuple[Any, ...]], table: str, condition: str = "true") -> int:
    row = connection.execute(f"SELECT count(*) FROM {table} WHERE {condition}".encode()).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize("table", TABLES)
def test_who_says_no_organization_sees_no_money(
    table: str, settled: UUID, app: psycopg.Connection[tuple[Any, ...]]
) -> None:
    assert _count(app, table) == 0


@pytest.mark.parametrize("table", TABLES)
def test_a_stranger_sees_no_money(table: str, settled: UUID, app: psycopg.Connection[tuple[Any, ...]]) -> None:
    stranger = make.organization("Stranger").id
    _as(app, stranger)
    own = f"organization_id = '{stranger}'" if table == "billing_account" else "false"

    assert _count(app, table, f"NOT ({own})") == 0


def test_an_organization_sees_its_own_rows_and_no_others(
    settled: UUID, acme: Organization, app: psycopg.Connection[tuple[Any, ...]]
) -> None:
    _as(app, acme.id)

    assert {table: _count(app, table) for table in TABLES} == {
        "billing_account": 2, "billing_charge": 1, "billing_hold": 1, "billing_settlement": 1,
        "billing_transfergroup": 2, "billing_transfer": 3, "billing_topup": 1,
        "billing_usageline": 3,
    }  # fmt: skip


def test_a_transfer_between_two_is_visible_to_both_and_nothing_else_of_it(
    settled: UUID, globex: Organization, app: psycopg.Connection[tuple[Any, ...]]
) -> None:
    _as(app, globex.id)

    assert app.execute("SELECT amount FROM billing_transfer ORDER BY id").fetchall() == [(50,), (40,)]
    assert _count(app, "billing_transfergroup") == 2
    assert [_count(app, table) for table in ("billing_charge", "billing_hold", "billing_settlement")] == [0, 0, 0]
    assert _count(app, "billing_account", "organization_id IS NULL") == 0


def test_published_prices_are_everybodys_and_drafts_nobodys(
    app: psycopg.Connection[tuple[Any, ...]], owner: psycopg.Connection[tuple[Any, ...]]
) -> None:
    owner.execute(
        "INSERT INTO billing_priceversion (price_list_id, name, created_by) SELECT id, %s, 'x' FROM billing_pricelist",
        (uuid4().hex,),
    )

    assert _count(app, "billing_priceitem") > 5_000
    assert _count(app, "billing_priceversion", "state = 'draft'") == 0


@pytest.mark.parametrize("role", ["app", "platform"])
@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize(
    "statement",
    ["INSERT INTO {0} DEFAULT VALUES", "DELETE FROM {0}", "TRUNCATE {0}", "UPDATE {0} SET {1} = {1}"],
)
def test_no_role_that_serves_anybody_writes_money(
    statement: str, table: str, role: str, database_urls: Mapping[str, str]
) -> None:
    with money.connect(database_urls[role]) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement.format(table, TABLES[table]).encode())


@pytest.mark.parametrize("table", PRICES)
def test_requests_write_no_prices(table: str, app: psycopg.Connection[tuple[Any, ...]]) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        app.execute(f"DELETE FROM {table}".encode())


@pytest.mark.parametrize(
    "call",
    [
        "billing_announce_top_up(gen_random_uuid(), gen_random_uuid(), 1, 'manual', 'r', 'a', 1)",
        "billing_sweep(1)",
        "billing_post_settlements('{}')",
        "billing_book_unheld('{}', '{}', '{}')",
        "billing_platform_account('platform_revenue')",
        "billing_refuse_strangers('{}', '{}')",
    ],
)
def test_requests_run_no_function_that_makes_money(call: str, app: psycopg.Connection[tuple[Any, ...]]) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        app.execute(f"SELECT {call}".encode())


STRANGERS_CALLS: Mapping[Operation, Callable[[UUID, UUID], tuple[Any, ...]]] = {
    HOLD: lambda payer, _: (
        uuid4(),
        payer,
        uuid4(),
        1,
        "run",
        "r",
        None,
        None,
        None,
        None,
        True,
        None,
        60,
        None,
        "",
        None,
    ),
    EXTEND: lambda _, id: (id, 60),
    CHECKPOINT: lambda _, id: (id, 1, 1, 1, 60),
    SETTLE: lambda _, id: (id, 1, 1, 1, True, "provider", "finished", "stop", None),
    RELEASE: lambda _, id: (id, "failed"),
}


@pytest.mark.parametrize("operation", STRANGERS_CALLS, ids=lambda operation: operation.name)
@pytest.mark.parametrize("amount", [0, 50], ids=["free", "held"])
def test_a_session_that_serves_one_moves_no_money_of_another(
    operation: Operation,
    amount: int,
    acme: Organization,
    globex: Organization,
    app: psycopg.Connection[tuple[Any, ...]],
) -> None:
    id = money.hold(make.wallet(acme, 100), amount)
    columns = [[value] for value in STRANGERS_CALLS[operation](acme.id, id)]

    _as(app, globex.id)
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="serves the organization"):
        app.execute(operation.statement, columns)

    _as(app, acme.id)
    assert app.execute(operation.statement, columns).rowcount == 1


@pytest.mark.parametrize("table", APPEND_ONLY)
@pytest.mark.parametrize("statement", ["UPDATE {} SET created_at = now()", "DELETE FROM {}", "TRUNCATE {} CASCADE"])
def test_not_even_the_owner_edits_history(
    statement: str, table: str, settled: UUID, owner: psycopg.Connection[tuple[Any, ...]]
) -> None:
    with pytest.raises(psycopg.errors.RestrictViolation):
        owner.execute(statement.format(table).encode())


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE billing_account SET credits_posted = credits_posted + 1 WHERE enforced",
        "UPDATE billing_account SET code = code || 'x'",
        "DELETE FROM billing_account",
        "DELETE FROM billing_charge",
        "DELETE FROM billing_hold",
        "INSERT INTO billing_account (code, kind, normal, credits_posted) VALUES ('mine', 'wallet', 'C', 5)",
        "UPDATE billing_hold SET state = 'open', closed_at = NULL",
        "UPDATE billing_hold SET amount = amount + 1",
        "UPDATE billing_charge SET status = 'authorized', finished_at = NULL WHERE status = 'finished'",
        "UPDATE billing_charge SET run_id = gen_random_uuid()",
        "TRUNCATE billing_priceversion CASCADE",
        "TRUNCATE billing_priceitem",
    ],
)
def test_not_even_the_owner_goes_around_a_rule(
    statement: str, settled: UUID, owner: psycopg.Connection[tuple[Any, ...]]
) -> None:
    with pytest.raises(psycopg.errors.RestrictViolation):
        owner.execute(statement.encode())


@pytest.mark.parametrize(
    "change",
    [
        "amount = amount - 1",
        "state = 'late', closed_at = now()",
        "state = 'settled', closed_at = now()",
        "state = 'released', closed_at = now(), amount = amount + 1",
        "charge_id = gen_random_uuid()",
    ],
)
def test_an_open_hold_only_moves_forward(
    change: str, acme: Organization, owner: psycopg.Connection[tuple[Any, ...]]
) -> None:
    id = money.hold(make.wallet(acme, 100), 50)

    with pytest.raises(psycopg.errors.RestrictViolation):
        owner.execute(f"UPDATE billing_hold SET {change} WHERE id = %s".encode(), (id,))


def test_a_hold_starts_open(acme: Organization, owner: psycopg.Connection[tuple[Any, ...]]) -> None:
    id = money.hold(make.wallet(acme, 100), 0)

    with pytest.raises(psycopg.errors.RestrictViolation):
        owner.execute(
            "INSERT INTO billing_hold"
            " (id, organization_id, account_id, charge_id, amount, state, expires_at, closed_at)"
            " SELECT %s, organization_id, id, %s, 5, 'released', now(), now() FROM billing_account"
            " WHERE organization_id = %s AND kind = 'wallet'",
            (id, id, acme.id),
        )


def test_no_wallet_goes_below_zero_whoever_writes(
    acme: Organization, owner: psycopg.Connection[tuple[Any, ...]]
) -> None:
    id = money.hold(make.wallet(acme, 100), 0)

    with pytest.raises(psycopg.errors.CheckViolation, match="account_no_overdraft"):
        owner.execute(
            "INSERT INTO billing_hold (id, organization_id, account_id, charge_id, amount, expires_at)"
            " SELECT %s, organization_id, id, %s, 101, now() FROM billing_account"
            " WHERE organization_id = %s AND kind = 'wallet'",
            (id, id, acme.id),
        )


def test_nobodys_hold_names_anothers_wallet(
    acme: Organization, globex: Organization, owner: psycopg.Connection[tuple[Any, ...]]
) -> None:
    id = money.hold(make.wallet(acme, 100), 0)
    make.wallet(globex, 100)

    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        owner.execute(
            "INSERT INTO billing_hold (id, organization_id, account_id, charge_id, amount, expires_at)"
            " SELECT %s, %s, id, %s, 5, now() FROM billing_account WHERE organization_id = %s AND kind = 'wallet'",
            (id, acme.id, id, globex.id),
        )


def test_a_transfer_names_the_organizations_of_its_accounts(
    settled: UUID, owner: psycopg.Connection[tuple[Any, ...]]
) -> None:
    with pytest.raises(psycopg.errors.RestrictViolation):
        owner.execute(
            "INSERT INTO billing_transfer (group_id, line, debit_id, credit_id, amount)"
            " SELECT group_id, 9, debit_id, credit_id, 1 FROM billing_transfer"
            " WHERE debit_organization_id IS NOT NULL LIMIT 1"
        )
