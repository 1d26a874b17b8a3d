"""The end of a payment token while it is being used: nothing grows any more, and nobody waits in a circle."""

import asyncio
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from django.db import connections, transaction

from billing import ledger, tokens
from billing.errors import HoldClosed, InsufficientFunds, LedgerRefused, TokenCapExceeded, TokenRevoked
from billing.models import PaymentToken
from billing.tokens import Permit
from tenants.models import Organization
from tenants.threads import in_thread
from tests import make
from tests.billing import money
from tests.billing.test_tokens import delegate, let_expire, mint, use


@pytest.fixture
def payer(acme: Organization) -> Organization:
    """Acme with 1,000 nanodollars."""
    return make.wallet(acme, 1_000)


async def at_once(*calls: partial[Any]) -> list[Any]:
    """What each of these answers or raises, when all are asked at once."""

    async def one(call: partial[Any]) -> Any:
        try:
            return await in_thread(call)
        except Exception as refused:  # noqa: BLE001  # whatever it is, the test looks at it
            return refused

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(call)) for call in calls]
    return [task.result() for task in tasks]


def test_64_children_at_once_get_no_more_than_their_parent_has(payer: Organization) -> None:
    root = mint(payer, 100)

    answers = money.run(at_once(*[partial(delegate, root, 10)] * 64))

    assert Counter(type(answer) for answer in answers) == {Permit: 10, TokenCapExceeded: 54}
    assert money.broken_rules() == {}


def test_a_child_and_the_end_of_its_parent_at_once_leave_no_orphan(payer: Organization) -> None:
    for _ in range(10):
        root = mint(payer, 100)

        made, ended = money.run(
            at_once(partial(delegate, root, 10), partial(tokens.revoke, root.id, organization_id=payer.id))
        )

        assert isinstance(made, Permit | TokenRevoked), made
        assert ended == (2 if isinstance(made, Permit) else 1)
        with money.everything():
            assert not PaymentToken.objects.filter(root_id=root.id, status="active").exists()
    assert ledger.balance(payer.id).held == 0


def test_an_ended_token_lets_nothing_grow_whoever_asks(payer: Organization) -> None:
    for end in (tokens.revoke, tokens.close):
        root = mint(payer, 100)
        held = use(payer, root, 10)
        end(root.id, organization_id=payer.id)

        for amount in (20, 101, 500):
            with pytest.raises(InsufficientFunds) as refused:
                money.run(ledger.extend(id=held, amount_nanos=amount))
            assert refused.value.available_nanos == 0
        assert ledger.balance(payer.id).held == 10
        money.settle(held, markup=0)


def test_an_expired_token_lets_nothing_grow(payer: Organization) -> None:
    root = mint(payer, 100)
    held = use(payer, root, 10)
    let_expire(root)

    with pytest.raises(InsufficientFunds):
        money.run(ledger.extend(id=held, amount_nanos=20))
    tokens.expire_overdue()
    with pytest.raises(InsufficientFunds):
        money.run(ledger.extend(id=held, amount_nanos=500))


def test_uses_and_the_end_of_their_token_at_once_neither_wait_in_a_circle_nor_pass_the_cap(payer: Organization) -> None:
    for _ in range(5):
        root = mint(payer, 100)
        child = delegate(mint(payer, 100), 100)
        ends = [partial(tokens.revoke, each.id, organization_id=payer.id) for each in (root, child)]

        answers = money.run(
            at_once(*[partial(use, payer, each, 5) for each in (root, child) for _ in range(16)], *ends)
        )

        assert {type(answer) for answer in answers} <= {UUID, int, LedgerRefused, HoldClosed, InsufficientFunds}
        with money.everything():
            assert not PaymentToken.objects.filter(id__in=(root.id, child.id), status="active").exists()
        for held in answers:
            if isinstance(held, UUID):
                money.settle(held, markup=0)
    assert ledger.balance(payer.id).held == 0
    assert money.broken_rules() == {}


def test_the_end_of_a_token_waits_for_a_use_before_it_takes_what_the_use_needs(payer: Organization) -> None:
    root = mint(payer, 100)
    use(payer, root, 5)

    with ThreadPoolExecutor(1) as pool, transaction.atomic(using="owner"), connections["owner"].cursor() as cursor:
        cursor.execute("SELECT FROM billing_budgetwindow WHERE budget_id = %s FOR NO KEY UPDATE", (root.id,))
        ending = pool.submit(tokens.revoke, root.id, organization_id=payer.id)
        with pytest.raises(TimeoutError):
            ending.result(timeout=1)
        cursor.execute("SELECT FROM billing_paymenttoken WHERE id = %s FOR SHARE NOWAIT", (root.id,))
        transaction.set_rollback(True, using="owner")
    assert ending.result(timeout=10) == 1
