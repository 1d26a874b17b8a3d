"""A bookkeeper's view of a few accounts: every balance that changed since the last look, and no other."""

from collections.abc import Mapping
from typing import Any

import psycopg

from tenants.models import Organization
from tests.billing import money

_BALANCES = """
    SELECT coalesce(o.id::text, 'platform'), a.kind,
        (CASE a.normal WHEN 'C' THEN 1 ELSE -1 END * (
            coalesce((SELECT sum(t.amount) FROM billing_transfer t WHERE t.credit_id = a.id), 0)
            - coalesce((SELECT sum(t.amount) FROM billing_transfer t WHERE t.debit_id = a.id), 0)
        ))::bigint
    FROM billing_account a LEFT JOIN tenants_organization o ON o.id = a.organization_id
    WHERE a.organization_id IS NULL OR a.organization_id = ANY (%s)
"""


class Journal:
    """Looks at all accounts of the platform and of these organizations, which are called by the names given here."""

    def __init__(self, database_urls: Mapping[str, str], **organizations: Organization) -> None:
        self._names = {str(organization.id): name for name, organization in organizations.items()}
        self._ids = [organization.id for organization in organizations.values()]
        self.url = money.superuser(database_urls)
        self._last = self._balances()

    def posted(self) -> dict[str, int]:
        """By how much each balance changed since the last look, as "whose: what"; the books hold, too."""
        now = self._balances()
        changed = {
            name: balance - self._last.get(name, 0)
            for name, balance in now.items()
            if balance != self._last.get(name, 0)
        }
        self._last = now
        assert money.broken_rules() == {}
        return changed

    def balance(self, name: str) -> int:
        """What an account holds."""
        return self._balances().get(name, 0)

    def account(self, name: str) -> int:
        """The number of an account."""
        whose, kind = name.split(": ")
        owners = {name: id for id, name in self._names.items()}
        return int(
            self.ask(
                "SELECT id FROM billing_account WHERE kind = %s AND organization_id IS NOT DISTINCT FROM %s",
                kind, owners.get(whose),
            )
        )  # fmt: skip

    def ask(self, statement: str, *values: Any) -> Any:
        """The one value that a statement of the database's superuser answers."""
        with psycopg.connect(self.url, autocommit=True) as database:
            row = database.execute(statement.encode(), values).fetchone()
        assert row is not None
        return row[0]

    def pay_out(self, name: str, organization: Organization, amount: int) -> None:
        """Post a payout of earnings by hand."""
        self.ask(
            "SELECT billing_post('payout:' || gen_random_uuid(), 'payout', %s, 'test', '', NULL, ARRAY[%s::bigint],"
            " ARRAY[billing_platform_account('cash')], ARRAY[%s::bigint])",
            organization.id, self.account(f"{name}: creator_earnings"), amount,
        )  # fmt: skip

    def _balances(self) -> dict[str, int]:
        with psycopg.connect(self.url, autocommit=True) as database:
            rows = database.execute(_BALANCES.encode(), (self._ids,)).fetchall()
        return {f"{self._names.get(owner, owner)}: {kind}": int(balance) for owner, kind, balance in rows}
