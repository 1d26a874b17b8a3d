"""F26: a long transaction keeps old rows from being cleared away, while runs go on."""

import asyncio
from decimal import Decimal
from typing import Any

import httpx
import psycopg

from tests import make
from tests.billing import money
from tests.live.books import Books
from tests.live.cast import PER_RUN_NANOS, Cast
from tests.live.server import LiveServer
from tests.live.waiting import eventually

CALLS = 150
AT_ONCE = 30
ANSWERED_WITHIN_S = 30

CLEARED_WITHIN_S = 30.0

_SUMS = "SELECT sum(debits_posted), sum(credits_posted), sum(debits_pending) FROM billing_account"
_DEAD = "SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'billing_account'"


def test_f26_a_transaction_that_keeps_old_rows_changes_no_sum_and_keeps_nobody_waiting(
    live: LiveServer, cast: Cast, books: Books, database_urls: dict[str, str]
) -> None:
    from billing import ledger

    address = cast.publish(model="scripted/persona", output_price_pico=0, options={"rules": [{"text": "hi"}]})
    credit = CALLS * PER_RUN_NANOS * 2
    payer = make.wallet(make.organization("Busy"), credit)
    key, url = make.key(payer), database_urls["owner"].replace("robutler_owner", "postgres")

    with psycopg.connect(url) as old, psycopg.connect(url, autocommit=True) as cleaner:
        old.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        before = old.execute(_SUMS).fetchone()
        old.execute("SELECT pg_current_xact_id()")
        answers = asyncio.run(_crowd(live, key, address))
        ledger.sweep_expired()
        kept = _dead_after_clearing(cleaner)
        same = old.execute(_SUMS).fetchone()
        old.rollback()
        # Whatever else looks at the database at this moment keeps rows for as long as it looks.
        is_cleared = eventually(lambda: _dead_after_clearing(cleaner) < kept, within_s=CLEARED_WITHIN_S)

    assert {answer.status_code for answer in answers} == {200}
    assert is_cleared
    assert same == before
    cost = sum(round(Decimal(answer.headers["x-robutler-cost"]).scaleb(9)) for answer in answers)
    assert cost >= CALLS * PER_RUN_NANOS
    assert ledger.balance(payer.id) == ledger.Balance(posted=credit - cost, held=0, available=credit - cost)
    assert books.open_holds(payer.id) == 0
    assert money.broken_rules() == {}


def _dead_after_clearing(connection: psycopg.Connection[Any]) -> int:
    """The old rows of accounts that could not be cleared away."""
    connection.execute("VACUUM (ANALYZE) billing_account")
    found = connection.execute(_DEAD).fetchone()
    assert found is not None
    return int(found[0])


async def _crowd(live: LiveServer, key: str, address: str) -> list[httpx.Response]:
    """Ask so often, so many at once; nobody waits for long."""
    body = {"model": address, "messages": [{"role": "user", "content": "hi"}]}
    limits = httpx.Limits(max_connections=AT_ONCE)
    bearer = {"Authorization": f"Bearer {key}"}
    patience = httpx.Timeout(ANSWERED_WITHIN_S, pool=None)
    async with (
        httpx.AsyncClient(base_url=live.url, headers=bearer, limits=limits, timeout=patience) as client,
        asyncio.TaskGroup() as group,
    ):
        calls = [group.create_task(client.post("/v1/chat/completions", json=body)) for _ in range(CALLS)]
    return [call.result() for call in calls]
