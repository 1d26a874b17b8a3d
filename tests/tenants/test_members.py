"""People, their seats, and what each seat allows."""

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError

from tenants import permissions
from tenants.context import organization_context, platform_context
from tenants.errors import PermissionMissing
from tenants.models import Membership, Organization, User
from tenants.roles import RIGHTS, Role, permissions_of
from tenants.selectors import memberships_of, organization_by_slug
from tenants.services import (
    add_member,
    change_role,
    create_organization,
    remove_member,
    resume_organization,
    suspend_organization,
)
from tests import make


def test_an_owner_may_everything() -> None:
    assert permissions_of(Role.OWNER) == permissions.ALL_PERMISSIONS


@pytest.mark.parametrize(
    ("role", "missing"),
    [
        (Role.ADMIN, {permissions.BILLING_WRITE, permissions.ORGANIZATION_WRITE}),
        (Role.DEVELOPER, {permissions.MEMBERS_WRITE, permissions.CREDENTIALS_WRITE, permissions.BILLING_READ}),
        (Role.BILLING, {permissions.AGENTS_READ, permissions.KEYS_WRITE, permissions.CHAT_WRITE}),
        (Role.VIEWER, {permissions.AGENTS_WRITE, permissions.KEYS_WRITE, permissions.USAGE_READ}),
    ],
)
def test_other_seats_may_less(role: Role, missing: set[str]) -> None:
    assert not permissions_of(role) & missing


def test_every_role_has_rights_and_no_other_word_has() -> None:
    assert set(RIGHTS) == set(Role.values)
    assert permissions_of("janitor") == frozenset()


def test_the_maker_of_an_organization_owns_it(database: None) -> None:
    owner = make.user()
    organization = create_organization(name="New", slug=make.unique("new"), owner=owner)

    seats = memberships_of(owner.pk)

    assert [(seat.organization.id, seat.role) for seat in seats] == [(organization.id, "owner")]


def test_a_person_finds_every_seat_and_nobody_elses(acme: Organization, globex: Organization) -> None:
    person = make.member(acme, Role.VIEWER).user
    make.member(globex, Role.ADMIN, person=person)
    make.member(globex)

    seats = memberships_of(person.pk)

    assert {(seat.organization.slug, seat.role) for seat in seats} == {(acme.slug, "viewer"), (globex.slug, "admin")}


def test_a_person_has_one_seat_in_an_organization(acme: Organization) -> None:
    person = make.member(acme).user

    with organization_context(acme.id), pytest.raises(IntegrityError):
        add_member(organization_id=acme.id, user=person, role=Role.ADMIN)


def test_the_last_owner_stays(acme: Organization) -> None:
    owner = make.member(acme, Role.OWNER)

    with organization_context(acme.id):
        with pytest.raises(PermissionMissing, match="owner"):
            remove_member(owner)
        with pytest.raises(PermissionMissing, match="owner"):
            change_role(owner, role=Role.ADMIN)
        change_role(owner, role=Role.OWNER)


def test_one_owner_of_two_may_go(acme: Organization) -> None:
    first, second = make.member(acme, Role.OWNER), make.member(acme, Role.OWNER)

    with organization_context(acme.id):
        change_role(first, role=Role.VIEWER)
        with pytest.raises(PermissionMissing):
            remove_member(second)
        left = dict(Membership.objects.values_list("pk", "role"))

    assert left == {first.pk: "viewer", second.pk: "owner"}
    assert str(second).startswith("owner")


def test_an_organization_is_stopped_and_let_go_on(acme: Organization) -> None:
    suspend_organization(acme, reason="unpaid")
    stopped = organization_by_slug(acme.slug)
    resume_organization(acme, reason="paid")
    running = organization_by_slug(acme.slug)

    assert stopped is not None
    assert running is not None
    assert (stopped.status, running.status) == ("suspended", "active")


def test_nobody_has_an_unknown_slug(database: None) -> None:
    assert organization_by_slug("nobody") is None


@pytest.mark.parametrize("slug", ["", "Acme", "a_b", "-a", "a-", "a" * 64, "a/b", "ä"])
def test_a_slug_fits_into_an_address(database: None, slug: str) -> None:
    with pytest.raises(ValidationError):
        create_organization(name="X", slug=slug)


def test_a_slug_is_taken_once(acme: Organization) -> None:
    with pytest.raises(ValidationError):
        create_organization(name="Copy", slug=acme.slug)


def test_an_address_is_one_however_it_is_written(database: None) -> None:
    local = make.unique("ann")
    person = User.objects.create_user(f" {local}@Acme.TEST ", "a long password")

    assert person.email == f"{local}@acme.test"
    assert User.objects.get_by_natural_key(f"{local.upper()}@acme.test") == person
    assert str(person) == person.email
    assert person.check_password("a long password")


def test_a_person_without_an_address_is_refused(database: None) -> None:
    with pytest.raises(ValueError, match="e-mail"):
        User.objects.create_user("")


def test_a_superuser_is_staff(database: None) -> None:
    person = User.objects.create_superuser(f"{make.unique('root')}@example.test", "a long password")

    assert person.is_staff
    assert person.is_superuser


def test_platform_work_adds_members_anywhere(acme: Organization) -> None:
    with platform_context(reason="a test"):
        seat = add_member(organization_id=acme.id, user=make.user(), role=Role.BILLING)

    assert seat.permissions == permissions_of(Role.BILLING)
