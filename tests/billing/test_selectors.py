"""What can be read of money: statements, movements of a charge, and whether the books hold."""

import pytest
from django.db import connections

from billing import ledger, selectors
from billing.models import Account, Charge, Hold, PriceItem, PriceList, Settlement, TopUp
from tenants.context import organization_context
from tenants.models import Organization
from tests import make
from tests.billing import money


def test_a_statement_lists_what_came_in_and_went_out_newest_first(acme: Organization, globex: Organization) -> None:
    id = money.hold(make.wallet(acme, 1_000), 500, creator=globex)
    money.settle(id, cost=100, markup=40)

    with organization_context(acme.id):
        entries = selectors.wallet_entries(acme.id)
        older = selectors.wallet_entries(acme.id, before=entries[1].id)

    assert [(entry.kind, entry.amount, entry.charge_id) for entry in entries] == [
        ("settlement", -40, id), ("settlement", -100, id), ("top_up", 1_000, None),
    ]  # fmt: skip
    assert [entry.memo for entry in older] == ["test"]


def test_a_creator_sees_what_was_earned(acme: Organization, globex: Organization) -> None:
    money.settle(money.hold(make.wallet(acme, 1_000), 500, creator=globex), markup=40)

    with organization_context(globex.id):
        assert selectors.earned(globex.id) == 40
    with organization_context(acme.id):
        assert selectors.earned(globex.id) == 0


def test_each_side_sees_the_movements_of_a_charge_that_are_its_own(acme: Organization, globex: Organization) -> None:
    id = money.hold(make.wallet(acme, 1_000), 500, creator=globex)
    money.settle(id, cost=100, markup=40)

    seen = {}
    for each in (acme, globex):
        with organization_context(each.id):
            seen[each.name] = [transfer.amount for transfer in selectors.transfers_of(id)]

    assert seen == {"Acme": [100, 40], "Globex": [40]}
    with money.everything():
        assert [transfer.amount for transfer in selectors.transfers_of(id)] == [100, 40, 100]


def test_the_books_balance_and_say_so(acme: Organization) -> None:
    money.settle(money.hold(make.wallet(acme, 1_000), 500), cost=100)

    balance = ledger.trial_balance()

    assert balance.difference == 0
    assert balance.balance("external_clearing") >= 1_000
    assert balance.balance("provider_cost") > 0
    assert balance.balance("provider_payable") > 0


def test_books_that_do_not_hold_are_noticed(acme: Organization) -> None:
    make.wallet(acme, 1_000)
    with connections["owner"].cursor() as cursor:
        for change, amount in (("+", 5), ("-", 5)):
            cursor.execute("ALTER TABLE billing_account DISABLE TRIGGER guard")
            cursor.execute(
                f"UPDATE billing_account SET credits_posted = credits_posted {change} %s WHERE enforced"
                " AND organization_id = %s",
                (amount, acme.id),
            )
            cursor.execute("ALTER TABLE billing_account ENABLE TRIGGER guard")
            if change == "+":
                assert money.broken_rules() == {"wallet totals are the sums of their transfers": 1}

    assert money.broken_rules() == {}


@pytest.mark.parametrize("inside", ["organization", "platform"])
def test_a_balance_is_readable_from_within_and_from_above(inside: str, acme: Organization) -> None:
    make.wallet(acme, 7)

    with organization_context(acme.id) if inside == "organization" else money.everything():
        assert ledger.balance(acme.id).posted == 7


def test_rows_say_what_they_are(acme: Organization) -> None:
    id = money.hold(make.wallet(acme, 1_000), 500)
    money.settle(id, cost=100)

    with money.everything():
        transfer = selectors.transfers_of(id)[0]
        rows = [
            Account.objects.get(organization=acme, kind="wallet"), Charge.objects.get(id=id), Hold.objects.get(id=id),
            Settlement.objects.get(hold_id=id), transfer.group, transfer, TopUp.objects.get(organization=acme),
            PriceList.objects.get(kind="provider_cost"), PriceItem.objects.select_related("version").first(),
        ]  # fmt: skip

    assert [str(row) for row in rows[:7]] == [
        f"organization:{acme.id}:wallet", "run run", f"settled hold {id}", f"Settlement of {id}", f"settlement:{id}",
        f"Transfer {transfer.id}", "Top-up test",
    ]  # fmt: skip
    assert all(str(row) for row in rows)


def test_the_vital_signs_of_sound_books_are_quiet(acme: Organization) -> None:
    before = selectors.vitals()
    money.hold(make.wallet(acme, 1_000), 500)

    after = selectors.vitals()

    assert after.imbalance == 0
    assert after.open_holds == before.open_holds + 1


def test_money_reserved_by_no_hold_is_an_imbalance(acme: Organization, database_urls: dict[str, str]) -> None:
    make.wallet(acme, 1_000)
    with money.connect(money.superuser(database_urls)) as books:
        books.execute("SET session_replication_role = replica")  # without the books' own guards
        reserve = "UPDATE billing_account SET debits_pending = %s WHERE organization_id = %s AND kind = 'wallet'"
        books.execute(reserve, (7, acme.id))
        broken = selectors.vitals().imbalance
        books.execute(reserve, (0, acme.id))

    assert broken == 7
    assert selectors.vitals().imbalance == 0


def test_a_hold_that_outlives_its_time_is_a_lag(acme: Organization) -> None:
    id = money.hold(make.wallet(acme, 1_000), 500)
    money.expire(id)

    assert selectors.vitals().overdue_s > 0
    money.settle(id)
