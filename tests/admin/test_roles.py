"""What each seat may see and do on the console, and who gets in at all."""

import pytest
from django.test import Client
from django.urls import reverse

from agents.models import Agent, Run
from robutler_site.admin import console, staff
from tenants.context import organization_context, platform_context
from tenants.models import ApiKey, AuditEvent, Membership, Organization, ProviderCredential, User
from tenants.roles import Role
from tenants.secret import Secret
from tenants.services import issue_key, store_credential, suspend_organization
from tests import make
from tests.admin.cast import member, page, person, ran, submit, text
from tests.admin.cast import staff as member_of_staff
from tests.admin.neighbour import Neighbour

ALL = frozenset(Role)
MANAGERS = {Role.OWNER, Role.ADMIN}
BUILDERS = MANAGERS | {Role.DEVELOPER}
READS = {
    "agent": BUILDERS | {Role.VIEWER},
    "run": BUILDERS | {Role.BILLING},
    "approval": BUILDERS,
    "toolexecution": BUILDERS,
    "memory": BUILDERS,
    "mcpserver": BUILDERS,
    "apikey": BUILDERS,
    "ratelimit": MANAGERS,
    "providercredential": BUILDERS,
    "membership": MANAGERS,
    "auditevent": MANAGERS,
    "account": {Role.OWNER, Role.BILLING},
    "transfer": {Role.OWNER, Role.BILLING},
    "paymenttoken": {Role.OWNER, Role.BILLING},
    "budget": {Role.OWNER, Role.BILLING},
    "payout": {Role.OWNER, Role.BILLING},
    "dispute": {Role.OWNER, Role.BILLING},
    "statement": {Role.OWNER, Role.BILLING},
}
ADDS = {
    "mcpserver": BUILDERS,
    "dispute": {Role.OWNER, Role.BILLING},
    "budget": {Role.OWNER, Role.BILLING},
    "paymenttoken": {Role.OWNER, Role.BILLING},
    "agent": BUILDERS,
    "apikey": BUILDERS,
    "ratelimit": MANAGERS,
    "providercredential": MANAGERS,
    "membership": MANAGERS,
}
DELETES = {"memory": BUILDERS, "mcpserver": BUILDERS, "providercredential": MANAGERS, "membership": MANAGERS}
PAGES = {str(model._meta.model_name): model for model in console._registry}


def rows_of(organization: Organization) -> dict[str, object]:
    """A row of each kind that has pages of its own."""
    agent = make.published(organization)
    make.wallet(organization, 10**9)
    run_id = ran(organization, agent)
    seat = make.member(organization, Role.VIEWER)
    with organization_context(organization.id):
        credential = store_credential(organization_id=organization.id, provider="openai", secret=Secret("sk-of-acme"))
        event = AuditEvent.objects.filter(action="credential.stored").get()
    return {"agent": agent.pk, "run": run_id, "membership": seat.pk} | {
        "providercredential": credential.pk,
        "auditevent": event.pk,
    }


@pytest.fixture(scope="module")
def house(database: None) -> tuple[Organization, dict[str, object]]:
    """An organization for tests that only look."""
    acme = make.organization("Acme")
    return acme, rows_of(acme)


def test_every_page_has_a_line_in_this_table() -> None:
    assert PAGES.keys() == READS.keys()


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_seat_opens_its_pages_only(house: tuple[Organization, dict[str, object]], role: Role, name: str) -> None:
    us = member(house[0], role)

    seen = us.get(page("console", PAGES[name], "changelist")).status_code
    add = us.get(page("console", PAGES[name], "add")).status_code
    sidebar = f'href="{page("console", PAGES[name], "changelist")}"' in text(us.get(reverse("console:index")))

    assert seen == (200 if role in READS[name] else 403)
    assert add == (200 if role in ADDS.get(name, ()) else 403)
    assert sidebar == (role in READS[name])


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("name", ["agent", "membership", "providercredential", "auditevent"])
def test_a_seat_opens_single_rows_likewise(
    house: tuple[Organization, dict[str, object]], role: Role, name: str
) -> None:
    us, row = member(house[0], role), house[1][name]

    answers = {kind: us.get(page("console", PAGES[name], kind, row)).status_code for kind in ("change", "delete")}

    assert answers["change"] == (200 if role in READS[name] else 403)
    assert answers["delete"] == (200 if role in DELETES.get(name, ()) else 403)


@pytest.mark.parametrize("role", Role)
def test_only_builders_change_an_agent(house: tuple[Organization, dict[str, object]], role: Role) -> None:
    us, agent = member(house[0], role), house[1]["agent"]

    answer = us.post(page("console", Agent, "change", agent), {"name": "Renamed", "model": "scripted/persona"})
    rollback = us.post(reverse("console:agents_agent_rollback", args=(agent, agent)))

    assert (answer.status_code == 403) == (role not in BUILDERS)
    assert rollback.status_code == 404


def test_a_viewer_reads_an_agent_without_its_form(house: tuple[Organization, dict[str, object]]) -> None:
    shown = text(member(house[0], Role.VIEWER).get(page("console", Agent, "change", house[1]["agent"])))

    assert "scripted/persona" in shown
    assert 'name="_save"' not in shown
    assert "Make live" not in shown


@pytest.mark.parametrize("role", Role)
def test_the_home_page_says_what_the_seat_may_know(house: tuple[Organization, dict[str, object]], role: Role) -> None:
    shown = text(member(house[0], role).get(reverse("console:index")))

    assert ("Available" in shown) == (role in READS["account"])
    assert ("Last runs" in shown) == (role in READS["run"])
    assert ("Issue an API key" in shown) == (role in ADDS["apikey"])
    assert "Runs today" in shown


def test_a_developer_sees_the_keys_and_runs_of_their_own(acme: Organization) -> None:
    us, agent = member(acme, Role.DEVELOPER), make.published(acme)
    run_id = ran(acme, agent)
    with organization_context(acme.id):
        own, _ = issue_key(organization_id=acme.id, name="mine", created_by=person(us), permissions=["chat:write"])
        other, _ = issue_key(organization_id=acme.id, name="somebody's")

    shown = text(us.get(page("console", ApiKey, "changelist")))
    us.post(page("console", ApiKey, "changelist"), {"action": "revoke", "_selected_action": [own.pk, other.pk]})

    with organization_context(acme.id):
        revoked = {key.name for key in ApiKey.objects.exclude(revoked_at=None)}
    assert "mine" in shown
    assert "somebody" not in shown
    assert revoked == {"mine"}
    assert us.get(page("console", Run, "change", run_id)).status_code == 404
    assert str(run_id) not in text(us.get(page("console", Run, "changelist")))


def test_an_admin_makes_nobody_an_owner(acme: Organization) -> None:
    us, seat, owner = member(acme, Role.ADMIN), make.member(acme), make.member(acme, Role.OWNER)

    submit(us, page("console", Membership, "change", seat.pk), "membership_form", role="owner")
    submit(us, page("console", Membership, "change", owner.pk), "membership_form", role="viewer")
    us.post(page("console", Membership, "delete", owner.pk), {"post": "yes"})

    with organization_context(acme.id):
        roles = dict(Membership.objects.filter(pk__in=[seat.pk, owner.pk]).values_list("pk", "role"))
    assert roles == {seat.pk: Role.DEVELOPER, owner.pk: Role.OWNER}


def test_the_last_owner_stays(acme: Organization) -> None:
    us = member(acme, Role.OWNER)
    with organization_context(acme.id):
        seat = Membership.objects.get(user=person(us))

    said = text(us.post(page("console", Membership, "delete", seat.pk), {"post": "yes"}, follow=True))

    with organization_context(acme.id):
        assert Membership.objects.filter(pk=seat.pk).exists()
    assert "keeps at least one owner" in said


def test_a_seat_is_given_to_who_can_sign_in(acme: Organization) -> None:
    us, somebody = member(acme, Role.ADMIN), make.user()
    add = page("console", Membership, "add")

    given = submit(us, add, "membership_form", email=somebody.email.upper(), role="billing")
    again = submit(us, add, "membership_form", email=somebody.email, role="billing")
    nobody = submit(us, add, "membership_form", email="nobody@example.test", role="billing")

    with organization_context(acme.id):
        assert Membership.objects.get(user=somebody).role == Role.BILLING
    assert given.status_code == 302
    assert again.context["adminform"].form.errors == nobody.context["adminform"].form.errors


@pytest.mark.parametrize("role", Role)
def test_a_member_never_reaches_the_admin(acme: Organization, role: Role) -> None:
    us = member(acme, role)

    for model in staff._registry:
        answer = us.get(page("admin", model, "changelist"))

        assert (answer.status_code, "/admin/login/" in answer["Location"]) == (302, True)
    assert us.get(reverse("admin:index")).status_code == 302


def test_staff_without_a_seat_never_reach_the_console(neighbour: Neighbour) -> None:
    them = member_of_staff()

    for model in console._registry:
        answer = them.get(page("console", model, "changelist"))

        assert (answer.status_code, "/console/login/" in answer["Location"]) == (302, True)


def test_staff_with_a_seat_see_that_organization_only(acme: Organization, neighbour: Neighbour) -> None:
    employee = make.user(is_staff=True, is_superuser=True)
    make.published(acme)
    them = member(acme, Role.VIEWER, who=employee)

    assert neighbour.canary not in text(them.get(page("console", Agent, "changelist")))
    assert them.get(page("console", ProviderCredential, "changelist")).status_code == 403


def test_staff_who_are_no_superusers_open_nothing_yet() -> None:
    them = member_of_staff(is_superuser=False)

    answers = {them.get(page("admin", model, "changelist")).status_code for model in staff._registry}

    assert answers == {403}


def test_a_suspended_organization_is_refused(acme: Organization) -> None:
    us = member(acme)

    with platform_context(reason="a test"):
        suspend_organization(acme, reason="a test")

    assert us.get(reverse("console:index")).status_code == 302
    assert us.get(page("console", Agent, "changelist")).status_code == 302


def test_a_deactivated_person_is_refused(acme: Organization) -> None:
    us = member(acme)
    with platform_context(reason="a test"):
        User.objects.filter(pk=person(us).pk).update(is_active=False)

    assert us.get(page("console", Agent, "changelist")).status_code == 302


@pytest.mark.parametrize("site", ["console", "admin"])
def test_a_deactivated_person_cannot_sign_in(acme: Organization, site: str) -> None:
    gone = make.user(password="correct horse battery", is_staff=True)
    make.member(acme, Role.OWNER, person=gone)
    with platform_context(reason="a test"):
        User.objects.filter(pk=gone.pk).update(is_active=False)
    browser = Client()

    answer = browser.post(
        reverse(f"{site}:login"), {"username": gone.email, "password": "correct horse battery", "next": "/"}
    )

    assert (answer.status_code, browser.session.get("_auth_user_id")) == (200, None)


def test_a_member_signs_in_at_the_console_only(acme: Organization) -> None:
    somebody = make.user(password="correct horse battery")
    make.member(acme, Role.VIEWER, person=somebody)
    said = {"username": somebody.email.upper(), "password": "correct horse battery"}

    answers = [Client().post(reverse(f"{site}:login"), said).status_code for site in ("console", "admin")]

    assert answers == [302, 200]


def test_somebody_with_two_seats_sees_one_organization_at_a_time(acme: Organization, globex: Organization) -> None:
    us = member(acme, Role.OWNER)
    make.member(globex, Role.VIEWER, person=person(us))
    ours, theirs = make.published(acme), make.published(globex)

    us.get(reverse("choose_organization", args=(globex.id,)))
    after = text(us.get(page("console", Agent, "changelist")))
    refused = us.get(page("console", Agent, "add")).status_code
    us.get(reverse("choose_organization", args=(acme.id,)))
    before = text(us.get(page("console", Agent, "changelist")))

    assert (theirs.slug in after, ours.slug in after, refused) == (True, False, 403)
    assert (theirs.slug in before, ours.slug in before) == (False, True)


def test_another_sites_link_does_not_choose(acme: Organization, globex: Organization) -> None:
    us = member(acme, Role.OWNER)
    make.member(globex, Role.VIEWER, person=person(us))

    answer = us.get(reverse("choose_organization", args=(globex.id,)), headers={"Sec-Fetch-Site": "cross-site"})

    assert answer.status_code == 404
