"""Limits on the two sites: members lower them for what is theirs, staff lift them, neither touches the other's word."""

import pytest
from django.test import Client

from tenants import limits
from tenants.context import organization_context, platform_context
from tenants.limits import Limits
from tenants.models import ApiKey, Organization, RateLimit
from tenants.services import set_limits
from tests import make
from tests.admin.cast import member, page, staff, submit, text

ADD = page("console", RateLimit, "add")
FORM = "ratelimit_form"


@pytest.fixture
def us(acme: Organization) -> Client:
    return member(acme)


def rules(organization: Organization) -> list[RateLimit]:
    with organization_context(organization.id):
        return list(RateLimit.objects.all())


def by_staff(organization: Organization) -> RateLimit:
    with platform_context(reason="a customer asked"):
        return set_limits(
            organization_id=organization.id, kind=limits.ORGANIZATION, subject="", limits=Limits(requests_per_minute=9)
        )


def test_a_member_says_a_limit_for_a_key(acme: Organization, us: Client) -> None:
    make.key(acme, name="laptop")
    with organization_context(acme.id):
        key = ApiKey.objects.get()

    submit(us, ADD, FORM, about=f"key:{key.pk}", requests_per_minute="5")

    (rule,) = rules(acme)
    assert (rule.kind, rule.subject, rule.set_by_staff) == ("key", str(key.pk), False)
    assert rule.limits == Limits(requests_per_minute=5)
    assert "laptop" in text(us.get(page("console", RateLimit, "changelist")))


def test_a_member_says_a_limit_for_an_agent_and_for_an_end_user(acme: Organization, us: Client) -> None:
    agent = make.published(acme)

    submit(us, ADD, FORM, about=f"agent:{agent.pk}", max_parallel="2")
    submit(us, ADD, FORM, about="end_user:", end_user="ada", tokens_per_minute="1000")
    submit(us, ADD, FORM, about="end_user:", reads_per_minute="10")

    assert {(rule.kind, rule.subject) for rule in rules(acme)} == {
        ("agent", str(agent.pk)),
        ("end_user", "ada"),
        ("end_user", ""),
    }


def test_a_neighbours_key_is_not_on_offer(globex: Organization, us: Client, acme: Organization) -> None:
    make.key(globex, name="theirs")
    with organization_context(globex.id):
        key = ApiKey.objects.get()

    answer = submit(us, ADD, FORM, about=f"key:{key.pk}", requests_per_minute="5")

    assert "about" in answer.context["adminform"].form.errors
    assert "theirs" not in text(us.get(ADD))
    assert rules(acme) == []


@pytest.mark.parametrize("said", [{}, {"requests_per_minute": "0"}, {"requests_per_minute": "-1"}])
def test_a_rule_says_something(us: Client, acme: Organization, said: dict[str, str]) -> None:
    answer = submit(us, ADD, FORM, about="organization:", **said)

    assert answer.context["adminform"].form.errors
    assert rules(acme) == []


def test_a_member_changes_and_removes_their_own_rule(acme: Organization, us: Client) -> None:
    submit(us, ADD, FORM, about="organization:", requests_per_minute="5")
    (rule,) = rules(acme)

    submit(us, page("console", RateLimit, "change", rule.pk), FORM, requests_per_minute="4")
    (changed,) = rules(acme)
    us.post(page("console", RateLimit, "delete", rule.pk), {"post": "yes"})

    assert (changed.kind, changed.limits) == ("organization", Limits(requests_per_minute=4))
    assert rules(acme) == []


def test_a_member_only_reads_what_staff_said(acme: Organization, us: Client) -> None:
    rule = by_staff(acme)
    address = page("console", RateLimit, "change", rule.pk)

    shown = us.get(address)
    changed = us.post(address, {"requests_per_minute": "9000"})
    removed = us.post(page("console", RateLimit, "delete", rule.pk), {"post": "yes"})

    assert shown.status_code == 200
    assert (changed.status_code, removed.status_code) == (403, 403)
    assert [kept.limits for kept in rules(acme)] == [Limits(requests_per_minute=9)]


def test_staff_lift_the_limits_of_a_key(acme: Organization, globex: Organization) -> None:
    make.key(acme)
    with organization_context(acme.id):
        key = ApiKey.objects.get()
    add, said = page("admin", RateLimit, "add"), {"kind": "key", "subject": str(key.pk), "requests_per_day": "90000"}

    wrong = submit(staff(), add, FORM, organization=str(globex.pk), **said)
    submit(staff(), add, FORM, organization=str(acme.pk), **said)

    (rule,) = rules(acme)
    assert "subject" in wrong.context["adminform"].form.errors
    assert (rule.subject, rule.set_by_staff, rule.limits) == (str(key.pk), True, Limits(requests_per_day=90_000))


def test_staff_leave_a_members_rule_alone(acme: Organization, us: Client) -> None:
    submit(us, ADD, FORM, about="organization:", requests_per_minute="5")
    (rule,) = rules(acme)

    answer = staff().post(page("admin", RateLimit, "change", rule.pk), {"requests_per_minute": "9"})

    assert answer.status_code == 403
    assert [kept.limits for kept in rules(acme)] == [Limits(requests_per_minute=5)]
