"""Budgets on the console: set, changed, ended; and what is wrong said beside its field."""

import pytest
from django.test import Client

from agents.models import Agent
from billing import budgets
from billing.models import Budget
from tenants.context import organization_context
from tenants.models import ApiKey, Organization
from tenants.roles import Role
from tenants.services import issue_key, revoke_key
from tests import make
from tests.admin.cast import member, page, staff, submit, text
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
    assert f"the agent {agent.slug}" in said
    assert "$12.50 a month" in said
    assert "$2.50 spent (20&nbsp;%)" in said
    assert '<rect class="spent" width="20" height="8"/><rect class="held" x="20" width="0" height="8"/>' in said


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


def test_the_pages_of_a_key_and_of_an_agent_show_their_budgets(acme: Organization, us: Client) -> None:
    agent = make.published(acme, slug=make.unique("teller"))
    with organization_context(acme.id):
        key, _ = issue_key(organization_id=acme.id, name="shop")
    pages = {
        "key": page("console", ApiKey, "change", key.pk),
        "agent": page("console", Agent, "change", agent.pk),
    }

    for (scope, address), subject in zip(pages.items(), (key.pk, agent.pk), strict=True):
        assert "It has no budget of its own." in text(us.get(address))
        make.budget(acme, 2 * 10**9, scope=scope, subject=str(subject), period="week")
        shown = text(us.get(address))
        assert "$2.00 a week" in shown
        assert "$2.00 left" in shown
        prefilled = us.get(f"{ADD}?scope={scope}&{scope}={subject}")
        assert f'<option value="{subject}" selected>' in text(prefilled)
        assert f"{ADD}?scope={scope}&amp;{scope}={subject}" in shown


def test_the_home_page_shows_budgets_that_are_nearly_used(acme: Organization, us: Client) -> None:
    agent = make.published(acme, slug=make.unique("teller"))
    make.budget(acme, 10**9, scope="agent", subject=str(agent.pk))
    make.budget(acme, 10**18)
    money.hold(acme, 790_000_000, agent_id=agent.id)
    assert "Budgets nearly used" not in text(us.get("/console/"))

    money.settle(money.hold(acme, 20_000_000, agent_id=agent.id), cost=20_000_000)

    said = text(us.get("/console/"))
    assert f"the agent {agent.slug}, $1.00 a day" in said
    assert "$0.02 spent, $0.79 reserved (81&nbsp;%)" in said
    assert '<rect class="spent" width="2" height="8"/><rect class="held" x="2" width="79" height="8"/>' in said
    assert "the organization, $" not in said
    assert "Budgets nearly used" not in text(member(acme, Role.DEVELOPER).get("/console/"))


def test_a_budget_says_when_it_begins_anew_by_its_own_calendar(acme: Organization, us: Client) -> None:
    budget = make.budget(acme, 10**9, period="month", time_zone="Pacific/Kiritimati")

    for address in (LIST, page("console", Budget, "change", budget.pk)):
        assert "-01 00:00 (Pacific/Kiritimati)" in text(us.get(address))


def test_who_may_not_read_money_sees_no_budgets_beside_an_agent(acme: Organization) -> None:
    agent = make.published(acme, slug=make.unique("teller"))
    make.budget(acme, 2 * 10**9, scope="agent", subject=str(agent.pk))

    assert "$2.00" not in text(member(acme, Role.DEVELOPER).get(page("console", Agent, "change", agent.pk)))


def test_the_name_of_a_revoked_key_stays_with_its_budget(acme: Organization, us: Client) -> None:
    with organization_context(acme.id):
        key, _ = issue_key(organization_id=acme.id, name="shop")
        budget = make.budget(acme, 10**9, scope="key", subject=str(key.pk))
        revoke_key(key)

    assert "the key shop" in text(us.get(LIST))
    submit(us, page("console", Budget, "change", budget.pk), "budget_form", limit="3")
    assert "$3.00 a day" in text(us.get(LIST))
    assert "the key shop" in text(staff().get(page("admin", Budget, "changelist")))
