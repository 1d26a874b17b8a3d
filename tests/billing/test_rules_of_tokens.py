"""What no path may break about payment tokens, whoever writes."""

import psycopg
import pytest
from django.db import connections

from billing import tokens
from tenants.context import organization_context
from tenants.models import Organization
from tests import make
from tests.billing.test_tokens import mint


@pytest.fixture
def payer(acme: Organization) -> Organization:
    """Acme with 1,000 nanodollars."""
    return make.wallet(acme, 1_000)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE billing_paymenttoken SET cap = cap + 1 WHERE id = %s",
        "UPDATE billing_paymenttoken SET expires_at = expires_at + interval '1 day' WHERE id = %s",
        "UPDATE billing_paymenttoken SET redelegate = NOT redelegate WHERE id = %s",
        "DELETE FROM billing_paymenttoken WHERE id = %s",
        'UPDATE billing_budget SET "limit" = "limit" + 1 WHERE id = %s',
        "UPDATE billing_budget SET active = false WHERE id = %s",
    ],
)
def test_a_token_stays_what_it_was_made_whoever_writes(payer: Organization, statement: str) -> None:
    permit = mint(payer, 400)

    with connections["owner"].cursor() as cursor, pytest.raises(Exception, match=r"stays|append|never|cannot"):
        cursor.execute(statement, (permit.id,))


def test_an_ended_token_does_not_come_back(payer: Organization) -> None:
    permit = mint(payer, 400)
    tokens.revoke(permit.id, organization_id=payer.id)

    with connections["owner"].cursor() as cursor, pytest.raises(Exception, match="stays what it is"):
        cursor.execute("UPDATE billing_paymenttoken SET status = 'active', ended_at = NULL WHERE id = %s", (permit.id,))


def test_the_application_writes_no_token_by_itself(payer: Organization) -> None:
    permit = mint(payer, 400)

    with (
        organization_context(payer.id),
        connections["default"].cursor() as cursor,
        pytest.raises(Exception, match="permission denied") as refused,
    ):
        cursor.execute("UPDATE billing_paymenttoken SET status = 'closed' WHERE id = %s", (permit.id,))
    assert isinstance(refused.value.__cause__, psycopg.errors.InsufficientPrivilege)
