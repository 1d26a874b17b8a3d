"""Payment tokens on the console: shown once, seen as the trees they are, revoked; and no other organization's."""

import re
from uuid import uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from billing import tokens
from billing.models import PaymentToken
from billing.tokens import Terms
from tenants.context import organization_context
from tenants.models import AuditEvent, Organization
from tenants.roles import Role
from tests import make
from tests.admin.cast import member, page, submit, text

ADD = page("console", PaymentToken, "add")
LIST = page("console", PaymentToken, "changelist")
TOKEN = re.compile(r"rb_pt_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}")


@pytest.fixture
def us(acme: Organization) -> Client:
    return member(acme)


def made(client: Client, **changes: object) -> str:
    """The text of a new token, as its page shows it."""
    asked = {"name": "for the translator", "amount": "0.05", "lifetime": "3600", "redelegate": "on", **changes}
    found: set[str] = set(TOKEN.findall(text(submit(client, ADD, "paymenttoken_form", **asked))))
    assert len(found) == 1
    return found.pop()


def test_a_token_is_shown_once_and_written_down_nowhere(acme: Organization, us: Client) -> None:
    secret = made(us)

    with organization_context(acme.id):
        token = PaymentToken.objects.get()
        events = str(list(AuditEvent.objects.values()))
    entries = str(list(LogEntry.objects.filter(object_id=token.pk).values()))
    pages = [text(us.get(page("console", PaymentToken, kind, token.pk))) for kind in ("change", "history")]
    assert (token.cap, token.redelegate) == (50_000_000, True)
    assert not [said for said in (events, entries, text(us.get(LIST)), *pages) if secret[-38:] in said]


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        ("amount", "0", "greater than or equal"),
        ("amount", "0.0000000001", "9 decimal places"),
        ("per_call", "0.06", "more than the cap"),
        ("lifetime", "1", "Select a valid choice"),
    ],
)
def test_a_form_that_makes_no_token_says_why(us: Client, field: str, value: str, complaint: str) -> None:
    asked = {"name": "x", "amount": "0.05", "lifetime": "3600", field: value}

    assert complaint in text(submit(us, ADD, "paymenttoken_form", **asked))


def test_revoking_ends_a_token_and_all_below_it(acme: Organization, us: Client) -> None:
    root = make.payment_token(make.wallet(acme, 10**9))
    child = tokens.delegate(id=uuid4(), parent=tokens.of(acme.id, root.id), terms=Terms(cap_nanos=10_000_000)).permit

    answer = us.post(LIST, {"action": "revoke", "_selected_action": [str(root.id)]}, follow=True)

    assert "Revoked 2 tokens." in text(answer)
    assert tokens.of(acme.id, child.id).state == "revoked"


def test_a_token_is_never_edited(acme: Organization, us: Client) -> None:
    token = make.payment_token(acme)

    answer = us.post(page("console", PaymentToken, "change", token.pk), {"name": "mine", "cap": "1"})

    assert answer.status_code == 403
    assert tokens.of(acme.id, token.id).cap_nanos == 50_000_000


def test_who_may_not_spend_makes_and_ends_none(acme: Organization) -> None:
    token = make.payment_token(acme)

    for role, sees in ((Role.DEVELOPER, False), (Role.VIEWER, False), (Role.BILLING, True)):
        client = member(acme, role)
        assert (client.get(LIST).status_code == 200) is sees, role
        assert (client.get(ADD).status_code == 200) is (role is Role.BILLING), role
    member(acme, Role.DEVELOPER).post(LIST, {"action": "revoke", "_selected_action": [str(token.id)]})
    assert tokens.of(acme.id, token.id).state == "active"
