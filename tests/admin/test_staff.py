"""What staff do: let money in, stop organizations, look at everything, and change no history."""

from typing import Any
from uuid import UUID

import pytest
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from agents.models import Agent, Run
from billing import ledger
from billing.models import Account, Charge, Hold, Settlement, TopUp, Transfer
from tenants.context import organization_context, platform_context
from tenants.models import ApiKey, AuditEvent, Membership, Organization, User
from tenants.roles import Role
from tests import make
from tests.admin.cast import Form, fields, member, page, ran, staff, submit, text

RECORDS = [Run, Agent, ApiKey, AuditEvent, Account, Transfer, Charge, Hold, Settlement]


@pytest.fixture
def them(database: None) -> Client:
    return staff()


def wallet_of(organization: Organization) -> Account:
    make.wallet(organization, 0)
    with platform_context(reason="a test"):
        return Account.objects.select_related("organization").get(organization=organization, kind=Account.Kind.WALLET)


def entry(wallet: Account) -> str:
    assert wallet.organization is not None
    return f"{page('admin', TopUp, 'add')}?organization={wallet.organization.slug}"


def top_up(client: Client, wallet: Account, amount: str, reference: str = "bank 4711") -> tuple[Form, Any]:
    """Fill in and send the form; answers what was sent and what came back."""
    shown = client.get(entry(wallet))
    sent = fields(shown, "move_form") | {"amount": amount, "reference": reference}
    return sent, client.post(entry(wallet), sent)


@pytest.mark.parametrize(("amount", "nanos"), [("10", 10**10), ("0.01", 10**7), ("12.345678901", 12_345_678_901)])
def test_a_top_up_is_credited_exactly(them: Client, acme: Organization, amount: str, nanos: int) -> None:
    top_up(them, wallet_of(acme), amount)

    assert ledger.balance(acme.id).available == nanos


def test_a_top_up_says_who_and_why(them: Client, acme: Organization) -> None:
    wallet = wallet_of(acme)

    _, answer = top_up(them, wallet, "10", "bank 4712")

    with platform_context(reason="a test"):
        received = TopUp.objects.get(organization=acme)
        event = AuditEvent.objects.get(organization=acme, action="wallet.topped_up")
    assert answer["Location"] == page("admin", TopUp, "changelist")
    assert (received.reference, event.detail["reference"]) == ("bank 4712", "bank 4712")
    assert received.actor == event.actor_label
    assert "bank 4712" in text(them.get(reverse("admin:index")))


def test_sending_the_form_twice_credits_once(them: Client, acme: Organization) -> None:
    wallet = wallet_of(acme)
    sent, _ = top_up(them, wallet, "10")

    them.post(entry(wallet), sent)

    assert ledger.balance(acme.id).available == 10**10
    with platform_context(reason="a test"):
        assert AuditEvent.objects.filter(organization=acme, action="wallet.topped_up").count() == 1


def test_a_form_sent_again_with_another_amount_is_refused(them: Client, acme: Organization) -> None:
    wallet = wallet_of(acme)
    sent, _ = top_up(them, wallet, "10")

    said = text(them.post(entry(wallet), sent | {"amount": "11"}, follow=True))

    assert ledger.balance(acme.id).available == 10**10
    assert "is taken by another top-up" in said


@pytest.mark.parametrize("amount", ["0", "-5", "0.0000000001", "1000001", "NaN", "1e9", "ten", ""])
def test_an_amount_that_is_none_is_refused(them: Client, acme: Organization, amount: str) -> None:
    _, answer = top_up(them, wallet_of(acme), amount)

    assert answer.status_code == 200
    assert list(answer.context["form"].errors) == ["amount"]
    assert ledger.balance(acme.id).available == 0


def test_a_top_up_needs_a_reason(them: Client, acme: Organization) -> None:
    _, answer = top_up(them, wallet_of(acme), "10", "")

    assert list(answer.context["form"].errors) == ["reference"]


def test_only_superusers_let_money_in(acme: Organization) -> None:
    wallet = wallet_of(acme)

    answers = {client.get(entry(wallet)).status_code for client in (staff(is_superuser=False), member(acme))}

    assert answers == {403, 302}


def test_only_wallets_are_frozen(them: Client, acme: Organization) -> None:
    make.wallet(acme, 1)
    with platform_context(reason="a test"):
        others = Account.objects.exclude(kind=Account.Kind.WALLET)[:5]
        answers = {
            them.get(reverse("admin:billing_account_standing", args=(account.pk,))).status_code for account in others
        }

    assert answers == {404}


@pytest.mark.parametrize("model", RECORDS, ids=lambda model: model.__name__)
def test_records_are_read_and_never_written(them: Client, acme: Organization, model: type[Model]) -> None:
    make.wallet(acme, 10**9)
    make.key(acme)
    ran(acme, make.published(acme, price_per_run_nanos=10**6))
    with platform_context(reason="a test"):
        row: Any = model._default_manager.order_by("-pk").first()
        before = model._default_manager.filter(pk=row.pk).values().get()

    seen = {them.get(page("admin", model, kind, *key)).status_code for kind, key in _looks(row)}
    written = {them.post(page("admin", model, kind, *key), {"post": "yes"}).status_code for kind, key in _writes(row)}
    them.post(page("admin", model, "changelist"), {"action": "delete_selected", "_selected_action": row.pk})

    with platform_context(reason="a test"):
        assert model._default_manager.filter(pk=row.pk).values().get() == before
    assert (seen, written) == ({200}, {403})


def test_a_suspended_organization_stands_still_until_resumed(them: Client, acme: Organization) -> None:
    us = member(acme)
    address = page("admin", Organization, "changelist")

    them.post(address, {"action": "suspend", "_selected_action": [acme.pk]})
    stopped = us.get(reverse("console:index")).status_code
    them.post(address, {"action": "resume", "_selected_action": [acme.pk]})
    resumed = us.get(reverse("console:index")).status_code

    with platform_context(reason="a test"):
        actions = list(AuditEvent.objects.filter(organization=acme).values_list("action", flat=True))
    assert (stopped, resumed) == (302, 200)
    assert {"organization.suspended", "organization.active"} <= set(actions)


def test_a_new_organization_can_be_paid_for_at_once(them: Client) -> None:
    slug = make.unique("initech")

    submit(them, page("admin", Organization, "add"), "organization_form", name="Initech", slug=slug)

    with platform_context(reason="a test"):
        made = Organization.objects.get(slug=slug)
        assert Account.objects.filter(organization=made, kind=Account.Kind.WALLET).exists()


@pytest.mark.parametrize("slug", ["console", "Up", ""])
def test_an_address_that_cannot_be_is_refused(them: Client, slug: str) -> None:
    answer = submit(them, page("admin", Organization, "add"), "organization_form", name="Initech", slug=slug)

    assert list(answer.context["adminform"].form.errors) == ["slug"]


def test_organizations_and_people_are_never_deleted(them: Client, acme: Organization) -> None:
    somebody = make.user()

    assert them.post(page("admin", Organization, "delete", acme.pk), {"post": "yes"}).status_code == 403
    assert them.post(page("admin", User, "delete", somebody.pk), {"post": "yes"}).status_code == 403


def test_a_new_person_can_sign_in(them: Client, acme: Organization) -> None:
    email = f"{make.unique('New')}@Example.test"
    add = page("admin", User, "add")

    submit(them, add, "user_form", email=email, name="New", password="correct horse battery")

    made = User.objects.get(email=email.lower())
    assert made.check_password("correct horse battery")
    assert "correct horse" not in text(them.get(page("admin", User, "change", made.pk)))


def test_a_weak_first_password_is_refused(them: Client) -> None:
    answer = submit(them, page("admin", User, "add"), "user_form", email="weak@example.test", password="12345")

    assert list(answer.context["adminform"].form.errors) == ["password"]


def test_staff_give_a_first_seat(them: Client, acme: Organization) -> None:
    somebody = make.user()

    submit(
        them,
        page("admin", Membership, "add"),
        "membership_form",
        organization=str(acme.pk),
        user=str(somebody.pk),
        role="owner",
    )

    with organization_context(acme.id):
        assert Membership.objects.get(user=somebody).role == Role.OWNER


def test_what_agents_are_told_is_their_owners_business(them: Client, acme: Organization) -> None:
    agent = make.published(acme, instructions="The secret recipe.")

    assert "secret recipe" not in text(them.get(page("admin", Agent, "change", agent.pk)))


def test_a_run_shows_its_money(them: Client, acme: Organization) -> None:
    make.wallet(acme, 10**9)
    run_id: UUID = ran(acme, make.published(acme, price_per_run_nanos=10**6))

    for client, site in ((them, "admin"), (member(acme), "console")):
        shown = text(client.get(page(site, Run, "change", run_id)))

        assert "Settlement" in shown
        assert "Reserved" in shown


def test_dates_are_written_so_that_they_sort(them: Client, acme: Organization) -> None:
    shown = text(them.get(page("admin", Organization, "changelist")))

    assert f"{acme.created_at:%Y-%m-%d %H:%M:%S}" in shown


def _looks(row: Any) -> list[tuple[str, tuple[Any, ...]]]:
    return [("changelist", ()), ("change", (row.pk,)), ("history", (row.pk,))]


def _writes(row: Any) -> list[tuple[str, tuple[Any, ...]]]:
    return [("add", ()), ("change", (row.pk,)), ("delete", (row.pk,))]
