"""A ledger with one rule bent is found out by the random walk: the walk can fail."""

import re
from collections.abc import Generator, Mapping
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from tests.billing import money
from tests.billing.walk import Walk

SQL = Path("billing/sql")
SEEDS = range(10)
STEPS = 250

MUTANTS = {
    "a hold may exceed the wallet": (
        "holds.sql",
        "asked.amount <= remaining",
        "asked.amount <= remaining + 1000",
    ),
    "holds of a batch do not see each other": (
        "holds.sql",
        "remaining := remaining - asked.amount;",
        "NULL;",
    ),
    "an exact fit is refused": (
        "holds.sql",
        "asked.amount <= remaining THEN",
        "asked.amount < remaining THEN",
    ),
    "frozen wallets reserve": (
        "holds.sql",
        "OR a.status = 'open')",
        "OR true)",
    ),
    "frozen wallets extend": (
        "holds.sql",
        "AND a.status = 'open'\n        ORDER BY",
        "ORDER BY",
    ),
    "extensions of a batch do not see each other": (
        "holds.sql",
        "remaining := remaining - asked.growth;",
        "NULL;",
    ),
    "a checkpoint may shrink": (
        "holds.sql",
        "greatest(h.accrued_cost, most.cost)",
        "most.cost",
    ),
    "a release keeps the charge open": (
        "holds.sql",
        "AND c.status = 'authorized';",
        "AND false;",
    ),
    "a release ends what is settled": (
        "holds.sql",
        "AND h.state = 'open';\n\n    UPDATE billing_charge",
        "AND false;\n\n    UPDATE billing_charge",
    ),
    "markup goes to the platform": (
        "settlements.sql",
        "THEN asked.markup\n",
        "THEN 0\n",
    ),
    "owners pay their own cost": (
        "settlements.sql",
        "WHEN c.beneficiary_id = h.organization_id THEN 0",
        "WHEN false THEN 0",
    ),
    "an expired hold still reserves": (
        "settlements.sql",
        "CASE h.state WHEN 'open' THEN h.amount ELSE 0 END AS reserved",
        "h.amount AS reserved",
    ),
    "overruns are forgiven": (
        "settlements.sql",
        "(least(available, so_far) - least(available, so_far - excess))::bigint",
        "0::bigint",
    ),
    "overruns of a batch do not see each other": (
        "settlements.sql",
        "OVER (PARTITION BY account_id ORDER BY i)",
        "OVER (PARTITION BY account_id, i ORDER BY i)",
    ),
    "the platform is cut first": (
        "settlements.sql",
        "least(platform_due, price - excess + overrun)",
        "greatest(price - excess + overrun - creator_due, 0)",
    ),
    "creators earn beyond the hold": (
        "settlements.sql",
        "greatest(own_cost, least(creator_due + platform_due, agreed))",
        "(creator_due + platform_due)",
    ),
    "the platform bears its cost beyond the hold": (
        "settlements.sql",
        "greatest(own_cost, least(creator_due + platform_due, agreed))",
        "least(creator_due + platform_due, agreed)",
    ),
    "losses are not booked": (
        "settlements.sql",
        "(4, to_loss, to_payable, NULL, NULL, s.loss)",
        "(4, to_loss, to_payable, NULL, NULL, 0)",
    ),
    "costs are not booked": (
        "settlements.sql",
        "THEN s.cost - s.loss ELSE 0",
        "THEN 0 ELSE 0",
    ),
    "a loss counts twice": (
        "settlements.sql",
        "THEN s.cost - s.loss ELSE 0",
        "THEN s.cost ELSE 0",
    ),
    "unheld losses are forgotten": (
        "settlements.sql",
        "lost.cost > 0 AND c.status",
        "lost.cost < 0 AND c.status",
    ),
    "the sweeper gives everything back": (
        "settlements.sql",
        "accrued_cost + h.accrued_markup + h.accrued_fee > 0",
        "accrued_cost + h.accrued_markup + h.accrued_fee < 0",
    ),
    "the sweeper leaves charges open": (
        "settlements.sql",
        "AND (c.id = ANY (due) OR",
        "AND (false OR",
    ),
    "a top-up counts each time": (
        "top_ups.sql",
        "ON CONFLICT DO NOTHING;\n    IF NOT FOUND THEN",
        "ON CONFLICT DO NOTHING;\n    IF false THEN",
    ),
    "pending ignores new holds": (
        "rules.sql",
        "a.debits_pending + opened.amount",
        "a.debits_pending",
    ),
    "pending ignores ended holds": (
        "rules.sql",
        "- CASE o.state WHEN 'open' THEN o.amount ELSE 0 END",
        "- 0",
    ),
    "credits are not posted": (
        "rules.sql",
        "a.credits_posted + moved.credits",
        "a.credits_posted",
    ),
    "debits are not posted": (
        "rules.sql",
        "a.debits_posted + moved.debits",
        "a.debits_posted",
    ),
}


@pytest.fixture
def scratch(database_urls: Mapping[str, str]) -> Generator[str]:
    """An empty ledger of its own, which may be broken."""
    name, url = f"mutant_{uuid4().hex[:8]}", money.superuser(database_urls)
    with psycopg.connect(url, dbname="postgres", autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name} TEMPLATE robutler_template STRATEGY file_copy")
        yield re.sub(r"/robutler_\w+\?", f"/{name}?", url)
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.prove
@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_bent_rule_is_found_out(mutant: str, scratch: str) -> None:
    file, old, new = MUTANTS[mutant]
    source = (SQL / file).read_text()
    assert source.count(old) == 1, "the rule reads differently now"
    with psycopg.connect(scratch, autocommit=True) as database:
        database.execute(source.replace(old, new).encode())

    with pytest.raises((AssertionError, psycopg.Error)):
        _walk(scratch)


@pytest.mark.prove
def test_an_unbent_ledger_is_not(scratch: str) -> None:
    _walk(scratch)


def _walk(url: str) -> None:
    for seed in SEEDS:
        Walk(url=url, seed=seed).walk(STEPS)
