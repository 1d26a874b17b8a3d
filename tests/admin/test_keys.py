"""API keys on the console: shown once, never again, and worth no more than the seat of who issued them."""

import re
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone

from tenants.context import organization_context
from tenants.limits import Limits
from tenants.models import ApiKey, AuditEvent, Organization, RateLimit
from tenants.permissions import AGENTS_WRITE, BILLING_READ
from tenants.roles import Role
from tests import make
from tests.admin.cast import fields, member, page, person, submit, text

ADD = page("console", ApiKey, "add")
LIST = page("console", ApiKey, "changelist")
FORM = "apikey_form"
KEY = re.compile(r"rb_(?:live|test)_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}")


@pytest.fixture
def us(acme: Organization) -> Client:
    return member(acme)


def issued(client: Client, **changes: object) -> str:
    """The text of a new key, as its page shows it."""
    found: set[str] = set(KEY.findall(text(submit(client, ADD, FORM, name="laptop", **changes))))
    assert len(found) == 1
    return found.pop()


def test_a_key_is_shown_once(us: Client) -> None:
    answer = submit(us, ADD, FORM, name="laptop")
    secret = KEY.findall(text(answer))[0]

    later = [text(us.get(LIST)), text(us.get("/console/")), text(us.get(ADD))]

    assert "no-store" in answer["Cache-Control"]
    assert not [body for body in later if secret in body or secret[-38:] in body]


def test_a_key_is_written_down_nowhere(acme: Organization, us: Client) -> None:
    secret = issued(us)

    with organization_context(acme.id):
        key = ApiKey.objects.get(name="laptop")
        events = str(list(AuditEvent.objects.values()))
    entries = str(list(LogEntry.objects.filter(object_id=key.pk).values()))
    pages = [text(us.get(page("console", ApiKey, kind, key.pk))) for kind in ("change", "history")]
    assert not [said for said in (events, entries, *pages) if secret[-38:] in said]
    assert secret not in str(dict(us.session))


def test_a_new_key_comes_with_an_example_that_can_be_pasted(acme: Organization, us: Client) -> None:
    agent = make.published(acme)

    shown = text(submit(us, ADD, FORM, name="laptop"))

    assert f'model="{agent.slug}"' in shown
    assert 'base_url="http://testserver/v1"' in shown


def test_a_key_is_what_the_form_says(acme: Organization, us: Client) -> None:
    secret = issued(
        us, permissions=["chat:write", "billing:read"], test_mode="on", max_parallel="3", networks="10.0.0.0/8"
    )

    with organization_context(acme.id):
        key = ApiKey.objects.get(name="laptop")
        rule = RateLimit.objects.get()
    assert secret.startswith(f"rb_test_{key.public_id}_")
    assert sorted(key.permissions) == ["billing:read", "chat:write"]
    assert key.allowed_networks == ["10.0.0.0/8"]
    assert (rule.kind, rule.subject, rule.limits) == ("key", str(key.pk), Limits(max_parallel=3))
    assert key.created_by == person(us)


def test_a_developer_is_offered_no_more_than_their_seat(acme: Organization) -> None:
    us = member(acme, Role.DEVELOPER)

    offered = text(us.get(ADD))
    answer = submit(us, ADD, FORM, name="laptop", permissions=[AGENTS_WRITE, BILLING_READ])

    assert f'value="{AGENTS_WRITE}"' in offered
    assert f'value="{BILLING_READ}"' not in offered
    assert "permissions" in answer.context["adminform"].form.errors
    with organization_context(acme.id):
        assert not ApiKey.objects.exists()


def test_a_key_expires_in_the_future_or_never(us: Client) -> None:
    past = timezone.now() - timedelta(days=1)

    answer = submit(us, ADD, FORM, name="laptop", expires_at_0=f"{past:%Y-%m-%d}", expires_at_1=f"{past:%H:%M:%S}")

    assert list(answer.context["adminform"].form.errors) == ["expires_at"]


def test_a_key_is_never_edited(acme: Organization, us: Client) -> None:
    issued(us)
    with organization_context(acme.id):
        key = ApiKey.objects.get()
    address = page("console", ApiKey, "change", key.pk)

    answer = us.post(address, {**fields(us.get(address), FORM), "name": "other", "permissions": "billing:read"})

    with organization_context(acme.id):
        after = ApiKey.objects.get()
    assert answer.status_code == 403
    assert (after.name, after.permissions) == (key.name, key.permissions)


def test_a_revoked_key_is_marked(acme: Organization, us: Client) -> None:
    issued(us)
    with organization_context(acme.id):
        key = ApiKey.objects.get()

    shown = text(us.post(LIST, {"action": "revoke", "_selected_action": [key.pk]}, follow=True))

    with organization_context(acme.id):
        revoked_at = ApiKey.objects.get().revoked_at
        actions = set(AuditEvent.objects.filter(object_id=key.pk).values_list("action", flat=True))
    assert revoked_at is not None
    assert actions == {"key.issued", "key.revoked"}
    assert "Revoked 1 key." in shown
