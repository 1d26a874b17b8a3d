"""The end of a payment token while it is being used: nothing grows any more, and nobody waits in a circle."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from django.db import connections, transaction

from billing import adjustments, ledger, tokens, wallets
from billing.errors import (
    HoldClosed,
    InsufficientFunds,
    LedgerRefused,
    TokenCapExceeded,
    TokenRevoked,
    WalletFrozen,
)
from billing.models import PaymentToken
from billing.tokens import Permit, Terms
from tenants.context import organization_context
from tenants.models import Organization
from tenants.threads import in_thread
from tests import make
from tests.billing import money
from tests.billing.test_tokens import delegate, let_expire, mint, now, use


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


def test_a_frozen_wallet_pays_by_no_token_however_much_that_has_set_aside(acme: Organization) -> None:
    payer = make.wallet(acme, 1_000)
    child = delegate(mint(payer, 900), 800)
    under_way = use(payer, child, 100)
    wallets.set_standing(organization_id=payer.id, standing="frozen", reason="looked at", actor="ann@example.test")

    with pytest.raises(WalletFrozen):
        use(payer, child, 50)
    with pytest.raises(WalletFrozen):
        delegate(child, 50)
    with pytest.raises(WalletFrozen):
        money.run(ledger.extend(id=under_way, amount_nanos=101))
    assert money.settle(under_way, cost=80).charged_nanos == 80
    assert money.broken_rules() == {}


def test_a_chargeback_takes_what_was_set_aside_for_tokens(acme: Organization) -> None:
    payer = make.wallet(acme, 1_000)
    root = mint(payer, 900)
    delegate(root, 800)

    adjustments.charge_back(
        id=uuid4(), organization_id=payer.id, amount_nanos=1_000, reason="stolen card", ticket="D-1", actor="ann"
    )

    assert ledger.balance(payer.id).posted == 0
    assert now(root).state == "revoked"
    assert money.broken_rules() == {}


@pytest.mark.parametrize("is_child", [False, True])
def test_no_late_settlement_passes_a_tokens_cap(acme: Organization, globex: Organization, *, is_child: bool) -> None:
    payer = make.wallet(acme, 10_000)
    root = mint(payer, 1_000 if is_child else 100)
    permit = delegate(root, 100) if is_child else root
    late = use(payer, permit, 100, creator=globex)
    money.expire(late)
    money.sweep()
    money.settle(use(payer, permit, 100, creator=globex), markup=100)
    tokens.close(root.id, organization_id=payer.id)

    assert money.settle(late, markup=100).charged_nanos == 0
    assert ledger.balance(payer.id).posted == 9_900
    assert money.broken_rules() == {}


def test_a_run_that_reserves_nothing_mints_within_the_budgets_of_who_asked(acme: Organization) -> None:
    payer = make.wallet(acme, 10_000)
    make.budget(payer, 500, scope="end_user", subject="ann")
    run_id = uuid4()
    money.hold(payer, 0, id=run_id, end_user="ann")

    with pytest.raises(InsufficientFunds):
        tokens.mint_in_run(
            id=uuid4(), organization_id=payer.id, run_id=run_id, parent=None,
            terms=Terms(cap_nanos=501, lifetime=timedelta(minutes=5)),
        )  # fmt: skip
    tokens.mint_in_run(
        id=uuid4(), organization_id=payer.id, run_id=run_id, parent=None,
        terms=Terms(cap_nanos=500, lifetime=timedelta(minutes=5)),
    )  # fmt: skip


def test_the_tokens_of_a_run_end_beside_those_who_pass_them_on(acme: Organization) -> None:
    payer = make.wallet(acme, 10_000)
    for _ in range(10):
        run_id = money.hold(payer, 0, id=uuid4())
        minted = [
            tokens.mint_in_run(
                id=uuid4(), organization_id=payer.id, run_id=run_id, parent=None,
                terms=Terms(cap_nanos=100, lifetime=timedelta(minutes=5), redelegate=True),
            ).permit
            for _ in range(3)
        ]  # fmt: skip
        answers = money.run(
            at_once(
                partial(tokens.close_of_run, run_id, organization_id=payer.id),
                *(partial(delegate, permit, 10) for permit in minted),
            )
        )
        assert answers[0] is None, answers
    assert ledger.balance(payer.id).held == 0


def test_whoever_ends_all_tokens_waits_for_their_trees_before_it_takes_windows(
    acme: Organization, database_urls: Mapping[str, str]
) -> None:
    make.wallet(acme, 1_000)
    make.budget(acme, 500)
    money.settle(money.hold(acme, 10), cost=10)  # so that the budget has a window
    tokens = sorted((make.payment_token(acme) for _ in range(2)), key=lambda token: token.id)
    windows = "SELECT FROM billing_budgetwindow WHERE organization_id = %s FOR NO KEY UPDATE NOWAIT"

    def connected() -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(money.superuser(database_urls), autocommit=True)

    with connected() as holder, connected() as ender, connected() as other, ThreadPoolExecutor(1) as thread:
        with holder.transaction():
            holder.execute("SELECT billing_lock_tree(%s)", (tokens[-1].id,))
            ending = thread.submit(ender.execute, "SELECT billing_end_tokens_of(%s)", (acme.id,))
            money.until_blocked(holder.info.backend_pid, database_urls)
            other.execute(windows, (acme.id,))
        ending.result(timeout=20)

    with organization_context(acme.id):
        assert set(PaymentToken.objects.values_list("status", flat=True)) == {"revoked"}
