"""Budgets as people set them: what is left, when they begin anew, and that no limit is passed by many at once."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from django.core import mail
from django.db import connections

from billing import budgets, ledger, outbox
from billing.alerts import budget_in_words, raise_alerts
from billing.errors import BudgetExceeded, BudgetNotFound, HoldConflict, InsufficientFunds, InvalidBudget
from billing.models import BudgetWindow, OutboxEvent
from billing.operations import HOLD
from billing.subjects import names_of
from tenants.context import organization_context
from tenants.models import Organization
from tenants.roles import Role
from tenants.services import issue_key
from tests import make
from tests.billing import money

ZONES = ("UTC", "America/New_York", "Europe/Riga", "Australia/Lord_Howe", "Pacific/Kiritimati")
MOMENTS = (
    datetime(2026, 3, 8, 6, 59, tzinfo=UTC), datetime(2026, 3, 8, 7, 1, tzinfo=UTC),  # New York skips an hour
    datetime(2026, 10, 25, 0, 59, tzinfo=UTC), datetime(2026, 10, 25, 1, 1, tzinfo=UTC),  # Riga has one twice
    datetime(2026, 4, 4, 15, 1, tzinfo=UTC),  # Lord Howe turns half an hour
    datetime(2028, 2, 29, 12, 0, tzinfo=UTC), datetime(2026, 12, 31, 9, 59, 59, tzinfo=UTC),
    datetime(2026, 12, 31, 10, 0, tzinfo=UTC), datetime(2027, 1, 1, 11, 59, tzinfo=UTC),
)  # fmt: skip


@pytest.fixture
def payer(acme: Organization) -> Organization:
    """Acme with 1,000 nanodollars."""
    return make.wallet(acme, 1_000)


def state(payer: Organization, id: UUID) -> budgets.State:
    """A budget as it is by now."""
    with organization_context(payer.id):
        return budgets.budget_of(id)


def test_what_is_reserved_and_spent_is_gone_from_a_budget(payer: Organization) -> None:
    budget = make.budget(payer, 500)

    held = money.hold(payer, 300)
    assert (state(payer, budget.id).held_nanos, state(payer, budget.id).remaining_nanos) == (300, 200)
    with pytest.raises(BudgetExceeded):
        money.hold(payer, 201)
    money.settle(held, cost=120)

    now = state(payer, budget.id)
    assert (now.held_nanos, now.spent_nanos, now.remaining_nanos, now.used_percent) == (0, 120, 380, 24)
    assert now.resets_at is not None
    assert now.resets_at.astimezone(UTC).hour == 0


def test_a_changed_limit_counts_at_once_also_while_runs_go_on(payer: Organization) -> None:
    budget = make.budget(payer, 500)
    held = money.hold(payer, 300)

    with organization_context(payer.id):
        budgets.change_budget(budget.id, limit_nanos=200, actor="ann@example.test")
    with pytest.raises(InsufficientFunds):
        money.run(ledger.extend(id=held, amount_nanos=301))
    assert money.settle(held, cost=250).charged_nanos == 250
    assert state(payer, budget.id).remaining_nanos == 0

    with organization_context(payer.id):
        budgets.change_budget(budget.id, limit_nanos=900, mode="soft", actor="ann@example.test")
    money.hold(payer, 700)
    assert money.broken_rules() == {}


def test_a_budget_that_has_ended_refuses_nothing(payer: Organization) -> None:
    budget = make.budget(payer, 5)
    with organization_context(payer.id):
        budgets.end_budget(budget.id)

        with pytest.raises(BudgetNotFound):
            budgets.budget_of(budget.id)
        with pytest.raises(BudgetNotFound):
            budgets.end_budget(budget.id)
    money.hold(payer, 500)


def test_one_id_is_one_budget(payer: Organization) -> None:
    budget = make.budget(payer, 5)
    asked: dict[str, Any] = {
        "id": budget.id, "scope": "organization", "subject": "", "period": "day", "time_zone": "UTC", "mode": "hard",
        "actor": "ann@example.test",
    }  # fmt: skip

    with organization_context(payer.id):
        again = budgets.set_budget(**{**asked, "limit_nanos": 7})
        with pytest.raises(HoldConflict):
            budgets.set_budget(**{**asked, "limit_nanos": 7, "period": "month"})
    assert again.budget.limit == 7


@pytest.mark.parametrize(
    ("field", "terms"),
    [
        ("subject", {"subject": "somebody"}),
        ("subject", {"scope": "key", "subject": str(uuid4())}),
        ("subject", {"scope": "agent", "subject": "greeter"}),
        ("subject", {"scope": "end_user", "subject": ""}),
        ("limit_nanos", {"limit_nanos": 10**18 + 1}),
        ("time_zone", {"time_zone": "Mars/Olympus"}),
        ("alert_percents", {"alert_percents": [0]}),
        ("alert_percents", {"alert_percents": list(range(1, 12))}),
    ],
)
def test_what_no_budget_can_be_is_named(payer: Organization, field: str, terms: dict[str, Any]) -> None:
    asked = {
        "scope": "organization", "subject": "", "period": "day", "time_zone": "UTC", "limit_nanos": 5, "mode": "hard",
        "actor": "ann@example.test", **terms,
    }  # fmt: skip

    with organization_context(payer.id), pytest.raises(InvalidBudget) as refused:
        budgets.set_budget(id=uuid4(), **asked)
    assert refused.value.field == field


def test_budgets_of_others_are_absent(payer: Organization, globex: Organization) -> None:
    budget = make.budget(payer, 500)

    with organization_context(globex.id):
        assert budgets.budgets_page(after=None, limit=10) == ([], False)
        for act in (budgets.budget_of, budgets.end_budget):
            with pytest.raises(BudgetNotFound):
                act(budget.id)
    assert state(payer, budget.id).budget.active


def test_c07_no_limit_of_key_agent_or_organization_is_passed_by_many_processes_at_once(
    payer: Organization, database_urls: Mapping[str, str]
) -> None:
    key, agent = make.key(payer), make.agent(payer)
    with organization_context(payer.id):
        (key_id,) = [UUID(id) for id, name in names_of("key").items() if key[-4:] in name]
    limits = {
        make.budget(payer, 90).id: 90,
        make.budget(payer, 60, scope="key", subject=str(key_id)).id: 60,
        make.budget(payer, 50, scope="agent", subject=str(agent.id)).id: 50,
    }

    def ask(number: int) -> int:
        """Of twelve holds by turns of the key and of the agent, how many were let through."""
        passed = 0
        with money.connect(database_urls["app"]) as database:
            for n in range(number, number + 12):
                asked = (
                    uuid4(), payer.id, uuid4(), 10, "run", "race", None, agent.id if n % 3 else None, None, None, True,
                    None, 60, key_id if n % 2 else None, "", None,
                )  # fmt: skip
                row = database.execute(HOLD.statement, [[each] for each in asked]).fetchone()
                passed += row is not None and row[1] == "held"
        return passed

    with ThreadPoolExecutor(8) as clients:
        passed = sum(clients.map(ask, range(8)))

    held = {id: state(payer, id).held_nanos for id in limits}
    assert all(held[id] <= limit for id, limit in limits.items()), held
    assert passed * 10 == max(held.values())
    assert any(held[id] == limit for id, limit in limits.items())
    assert money.broken_rules() == {}


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("period", ["day", "week", "month"])
def test_pt10_f53_a_period_is_that_of_the_calendar_of_its_place(database: None, zone: str, period: str) -> None:
    with connections["owner"].cursor() as cursor:
        for moment in MOMENTS:
            cursor.execute("SELECT * FROM billing_period(%s, %s, %s, %s)", (period, zone, moment, moment))
            starts, ends = cursor.fetchone()
            assert starts <= moment < ends
            first, last = (each.astimezone(ZoneInfo(zone)) for each in (starts, ends))
            assert (first.hour, first.minute, last.hour, last.minute) == (0, 0, 0, 0)
            local = moment.astimezone(ZoneInfo(zone))
            match period:
                case "day":
                    assert first.date() == local.date()
                    assert (last.date() - first.date()).days == 1
                case "week":
                    assert (first.weekday(), (last.date() - first.date()).days) == (0, 7)
                case _:
                    assert (first.day, first.month, last.day) == (1, local.month, 1)
            cursor.execute("SELECT * FROM billing_period(%s, %s, %s, %s)", (period, zone, moment, ends))
            assert cursor.fetchone()[0] == ends


def test_a_run_counts_in_the_period_in_which_it_began(payer: Organization) -> None:
    budget = make.budget(payer, 500)
    held = money.hold(payer, 300)
    money.age_window(budget.id, days=1)

    money.hold(payer, 450)
    money.settle(held, cost=200)

    with organization_context(payer.id):
        windows, _ = budgets.windows_page(budget.id, after=None, limit=10)
    assert [(window.held, window.spent) for window in windows] == [(450, 0), (0, 200)]
    assert state(payer, budget.id).remaining_nanos == 50


def test_a_soft_budget_lets_through_and_warns_once_of_each_share(payer: Organization) -> None:
    budget = make.budget(payer, 100, mode="soft", alert_percents=[50, 200])

    money.hold(payer, 60)
    raise_alerts()
    money.hold(payer, 10)
    raise_alerts()
    money.hold(payer, 200)
    raise_alerts()

    with money.everything():
        told = OutboxEvent.objects.filter(organization_id=payer.id, topic="budget.threshold")
        percents = [event.payload["percent"] for event in told.order_by("created_at")]
        assert BudgetWindow.objects.get(budget_id=budget.id).held == 270
    assert percents == [50, 200]


def mailed(payer: Organization, **terms: Any) -> tuple[str, str]:
    """The subject and the text of the mail about a budget of 100 of which so much is used."""
    reader = make.member(payer, Role.BILLING).user
    used = terms.pop("used")
    make.budget(payer, 100, alert_percents=[100 if used == 100 else 50], **terms)
    money.hold(payer, used, end_user="ann")
    raise_alerts()
    outbox.relay()
    message = [sent for sent in mail.outbox if sent.to == [reader.email]][-1]
    return str(message.subject), str(message.body)


def test_the_mail_about_a_budget_says_whose_it_is_and_until_when_by_its_own_calendar(payer: Organization) -> None:
    place = ZoneInfo("Pacific/Kiritimati")
    today = datetime.now(place)

    subject, body = mailed(
        payer, scope="end_user", subject="ann", period="day", time_zone="Pacific/Kiritimati", used=60
    )

    assert subject == "A budget is 50 % used: the end user ann"
    assert f"$0.00000006 of $0.0000001 a day are spent or reserved by runs, since {today:%-d %B %Y}." in body
    tomorrow = today + timedelta(days=1)
    assert f"are refused until {tomorrow:%-d %B %Y}, 00:00 (Pacific/Kiritimati)." in body


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        (
            {"period": "total", "used": 60},
            "When all of it is used, requests that it covers are refused until you raise",
        ),
        ({"period": "total", "used": 100}, "are refused where they do not fit, until you raise it."),
        ({"mode": "soft", "used": 100}, "This budget only warns: requests go on."),
    ],
)
def test_the_mail_about_a_budget_says_what_happens_next(payer: Organization, terms: dict[str, Any], said: str) -> None:
    assert said in mailed(payer, **terms)[1]


def test_a_budget_of_a_key_is_told_of_by_its_name(payer: Organization) -> None:
    with organization_context(payer.id):
        key, _ = issue_key(organization_id=payer.id, name="Shop")
        budget = make.budget(payer, 100, scope="key", subject=str(key.id))
        words = budget_in_words(
            {
                "scope": "key",
                "subject": budget.subject,
                "time_zone": "UTC",
                "starts_at": "2026-03-01T00:00:00+00:00",
                "resets_at": None,
            }
        )

    assert words["whose"] == f"the key Shop (…{key.last_four})"
