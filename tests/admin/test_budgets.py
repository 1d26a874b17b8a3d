"""Budgets on the console: set, changed, ended; and what is wrong said beside its field."""

import pytest
from django.test import Client

from billing import budgets
from billing.models import Budget
from tenants.context import organization_context
from tenants.models import Organization
from tests import make
from tests.admin.cast import member, page, submit, text
from tests.billing import money

ADD = page("console", Budget, "add")
LIST = page("console", Budget, "changelist")
ASKED = {"scope": "organization", "period": "month", "time_zone": "Europe/Riga", "limit": "12.50", "mode": "hard"}


@pytest.fixture
def us(acme: Organization) -> Client:
    return member(make.wallet(acme, 10**11))


def test_a_budget_is_set_and_shows_what_is_left_of_it(acme: Organization, us: Client) -> None:
    agent = make.published(acme, slug=make.unique("teller"))

    submit(us, ADD, "budget_form", **{**ASKED, "scope": "agent", "agent": str(agent.id), "alerts": "90, 50"})

    with organization_context(acme.id):
        budget = Budget.objects.get()
    assert (budget.limit, budget.subject, budget.alert_percents) == (12_500_000_000, str(agent.id), [50, 90])
    held = money.hold(acme, 5_000_000_000, agent_id=agent.id)
    money.settle(held, cost=2_500_000_000)
    said = text(us.get(LIST))
    assert f"agent {agent.slug}" in said
    assert "$12.50 a month" in said
    assert "$2.50 spent (20 %)" in said
    assert 'value="20"' in said


def test_its_limit_is_changed_and_nothing_else(acme: Organization, us: Client) -> None:
    budget = make.budget(acme, 10**9)

    submit(us, page("console", Budget, "change", budget.pk), "budget_form", limit="3", mode="soft", alerts="")

    with organization_context(acme.id):
        changed = budgets.budget_of(budget.id).budget
    assert (changed.limit, changed.mode, changed.alert_percents, changed.period) == (3 * 10**9, "soft", [], "day")


def test_it_is_ended(acme: Organization, us: Client) -> None:
    budget = make.budget(acme, 5)

    answer = us.post(LIST, {"action": "end", "_selected_action": [str(budget.pk)]}, follow=True)

    assert "Ended 1 budget." in text(answer)
    money.hold(acme, 500)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"scope": "key"}, "Say whose budget it is."),
        ({"scope": "agent", "agent": "not-ours"}, "Select a valid choice"),
        ({"time_zone": "Mars/Olympus"}, "is not an IANA time zone"),
        ({"limit": "-1"}, "greater than or equal"),
        ({"alerts": "half"}, "Write whole numbers"),
        ({"alerts": "0"}, "shares of 1 to 1,000 percent"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field(us: Client, changes: dict[str, str], complaint: str) -> None:
    assert complaint in text(submit(us, ADD, "budget_form", **{**ASKED, **changes}))
