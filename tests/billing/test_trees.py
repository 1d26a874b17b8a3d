"""Holds carved out of holds, and budgets: a child spends its parent's, and no budget is ever passed."""

import asyncio
from uuid import UUID, uuid4

import pytest
from django.db import connections

from billing import ledger
from billing.errors import BudgetExceeded, HoldClosed, HoldNotFound, InsufficientFunds
from billing.models import BudgetWindow, Hold
from tenants.context import organization_context
from tenants.models import Organization
from tests import make
from tests.billing import money


@pytest.fixture
def payer(acme: Organization) -> Organization:
    """Acme with 1,000 nanodollars."""
    return make.wallet(acme, 1_000)


def used(id: UUID) -> tuple[int, int]:
    """What children have reserved of a hold, and what they have spent."""
    with money.everything():
        found = Hold.objects.get(id=id)
    return found.child_reserved, found.child_spent


def budget(
    organization: Organization, limit: int, *, mode: str = "hard", scope: str = "organization", subject: str = ""
) -> UUID:
    """A budget by the day."""
    id = uuid4()
    with organization_context(organization.id), connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT billing_set_budget(%s, %s, %s, %s, 'day', 'Europe/Riga', %s, %s, '{80,100}', 'test')",
            (id, organization.id, scope, subject, limit, mode),
        )
        assert cursor.fetchone() == ("set",)
    return id


def window(budget_id: UUID) -> tuple[int, int]:
    """What is held and spent in a budget's only window."""
    with money.everything():
        found = BudgetWindow.objects.get(budget_id=budget_id)
    return found.held, found.spent


def test_a_child_is_carved_out_of_its_parent(payer: Organization, globex: Organization) -> None:
    parent = money.hold(payer, 500)

    child = money.hold(payer, 200, parent=parent, creator=globex)

    assert ledger.balance(payer.id).held == 500
    assert used(parent) == (200, 0)
    money.settle(child, markup=150)
    assert used(parent) == (0, 150)
    assert (ledger.balance(payer.id).held, ledger.balance(payer.id).posted) == (350, 850)
    money.settle(parent, cost=300)
    assert ledger.balance(payer.id).posted == 550
    assert money.broken_rules() == {}


def test_children_never_get_more_than_their_parent_has(payer: Organization) -> None:
    parent = money.hold(payer, 500)
    money.hold(payer, 300, parent=parent)

    with pytest.raises(InsufficientFunds) as refused:
        money.hold(payer, 201, parent=parent)

    assert (refused.value.limited_by, refused.value.available_nanos, refused.value.held_nanos) == ("hold", 200, 300)


def test_c05_a_hundred_siblings_share_what_there_is(payer: Organization) -> None:
    parent = money.hold(payer, 500)

    async def carve() -> int:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one()) for _ in range(100)]
        return sum(task.result() for task in tasks)

    async def one() -> bool:
        id = uuid4()
        try:
            await ledger.hold(
                id=id, payer=payer.id, run_id=id, amount_nanos=10, reference="child", price=money.PLATFORM_PAYS,
                beneficiary=None, parent=parent,
            )  # fmt: skip
        except InsufficientFunds:
            return False
        return True

    assert money.run(carve()) == 50
    assert used(parent) == (500, 0)
    assert money.broken_rules() == {}


def test_a_parent_charges_only_what_its_children_left(payer: Organization, globex: Organization) -> None:
    parent = money.hold(payer, 500, creator=globex)
    child = money.hold(payer, 400, parent=parent)

    settled = money.settle(parent, markup=300)

    assert settled.charged_nanos == 100
    assert ledger.balance(payer.id).held == 400
    money.settle(child, cost=400)
    assert (ledger.balance(payer.id).held, ledger.balance(payer.id).posted) == (0, 500)
    assert money.broken_rules() == {}


def test_a_tree_is_swept_from_its_leaves(payer: Organization) -> None:
    root = money.hold(payer, 600)
    child = money.hold(payer, 400, parent=root)
    leaf = money.hold(payer, 300, parent=child)
    money.checkpoint(leaf, cost=120)
    money.checkpoint(root, cost=90)
    money.expire(root, child, leaf)

    money.sweep()

    assert [money.state(id)[0] for id in (root, child, leaf)] == ["settled", "expired", "settled"]
    assert (ledger.balance(payer.id).held, ledger.balance(payer.id).posted) == (0, 790)
    assert money.broken_rules() == {}


def test_nobody_carves_out_of_what_is_closed_or_a_neighbours(payer: Organization, globex: Organization) -> None:
    ended, theirs = money.hold(payer, 100), money.hold(make.wallet(globex, 100), 100)
    money.release(ended)

    with pytest.raises(HoldClosed):
        money.hold(payer, 10, parent=ended)
    with pytest.raises(HoldNotFound):
        money.hold(payer, 10, parent=theirs)
    with pytest.raises(HoldNotFound):
        money.hold(payer, 10, parent=uuid4())


def test_a_hard_budget_refuses_what_does_not_fit(payer: Organization) -> None:
    id = budget(payer, 300)
    held = money.hold(payer, 250)

    with pytest.raises(BudgetExceeded) as refused:
        money.hold(payer, 51)

    left = refused.value.budget
    assert (left.id, left.scope, left.limit_nanos, left.spent_nanos) == (id, "organization", 300, 0)
    money.settle(held, cost=40)
    assert window(id) == (0, 40)
    money.hold(payer, 260)
    assert window(id) == (260, 40)
    assert money.broken_rules() == {}


def test_a_budget_of_a_key_counts_its_runs_and_what_they_carve(payer: Organization) -> None:
    key = uuid4()
    id = budget(payer, 300, scope="key", subject=str(key))
    money.hold(payer, 400)
    run = money.hold(payer, 200, key_id=key)
    child = money.hold(payer, 150, parent=run)

    money.settle(child, cost=150)
    money.settle(run, cost=30)

    assert window(id) == (0, 180)
    with pytest.raises(BudgetExceeded):
        money.hold(payer, 121, key_id=key)


def test_beyond_its_hold_a_run_stays_within_its_budget(payer: Organization) -> None:
    id = budget(payer, 300)
    held = money.hold(payer, 100)

    settled = money.settle(held, cost=450)

    assert (settled.charged_nanos, settled.loss_nanos) == (300, 150)
    assert window(id) == (0, 300)
    assert money.broken_rules() == {}


def test_beyond_its_hold_a_child_stays_within_the_budget_of_its_root_too(payer: Organization) -> None:
    id = budget(payer, 300)
    child = money.hold(payer, 100, parent=money.hold(payer, 100))

    settled = money.settle(child, cost=450)

    assert (settled.charged_nanos, settled.loss_nanos) == (300, 150)
    assert window(id) == (0, 300)
    assert money.broken_rules() == {}


def test_a_tree_has_eight_levels_below_its_root(payer: Organization) -> None:
    deepest = money.hold(payer, 100)
    for _ in range(8):
        deepest = money.hold(payer, 100, parent=deepest)

    with pytest.raises(HoldClosed):
        money.hold(payer, 1, parent=deepest)


def test_a_soft_budget_counts_and_refuses_nothing(payer: Organization) -> None:
    id = budget(payer, 100, mode="soft")

    money.settle(money.hold(payer, 400), cost=400)

    assert window(id) == (0, 400)
    assert money.broken_rules() == {}
