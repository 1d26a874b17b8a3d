"""What one organization can see of another: nothing, whatever is tried."""

from collections.abc import Callable
from contextlib import suppress
from uuid import UUID

import psycopg
import pytest
from django.db import DatabaseError, IntegrityError, ProgrammingError, connection, transaction
from django.test import Client

from tenants.context import (
    alias,
    atomic,
    current_organization,
    in_platform,
    organization_context,
    organization_or_none,
    platform_context,
    platform_reason,
)
from tenants.errors import NoTenant
from tenants.models import ApiKey, Membership, Organization
from tenants.secret import Secret
from tenants.services import store_credential
from tests import make


def rows_seen() -> set[UUID]:
    """The organizations whose keys raw SQL finds on the application's connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT organization_id FROM tenants_apikey")
        return {row[0] for row in cursor.fetchall()}


@pytest.fixture
def both(acme: Organization, globex: Organization) -> None:
    """A key for each of them."""
    make.key(acme)
    make.key(globex)


def test_an_organization_sees_its_own_row_only(acme: Organization, globex: Organization) -> None:
    with organization_context(acme.id):
        seen = set(Organization.objects.values_list("id", flat=True))

    assert seen == {acme.id}


def test_raw_sql_finds_nothing_of_a_neighbour(acme: Organization, both: None) -> None:
    with organization_context(acme.id):
        seen = rows_seen()

    assert seen == {acme.id}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE tenants_user SET is_superuser = true",
        "UPDATE tenants_user SET is_staff = true",
        "UPDATE tenants_user SET is_active = true",
        "UPDATE tenants_user SET email = 'x' || email",
        "DELETE FROM tenants_user",
        "INSERT INTO tenants_user (email, is_superuser) VALUES ('mallory@example.test', true)",
        "INSERT INTO tenants_user_groups (user_id, group_id) VALUES (1, 1)",
        "INSERT INTO tenants_user_user_permissions (user_id, permission_id) VALUES (1, 1)",
        "INSERT INTO auth_group (name) VALUES ('x')",
        "INSERT INTO auth_group_permissions (group_id, permission_id) VALUES (1, 1)",
        "UPDATE auth_permission SET codename = 'x'",
    ],
)
def test_who_serves_requests_makes_nobody_mightier(statement: str, database: None) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"), connection.cursor() as cursor:
        cursor.execute(statement)


def test_a_person_signs_in_and_changes_their_password_and_name(client: Client) -> None:
    person = make.user(password="correct horse battery")

    assert client.login(username=person.email, password="correct horse battery")
    person.set_password("another horse battery")
    person.name = "Ann"
    person.save(update_fields=["password", "name"])

    person.refresh_from_db()
    assert person.check_password("another horse battery")
    assert (person.name, person.last_login is None) == ("Ann", False)


def test_raw_sql_without_an_organization_finds_nothing(both: None) -> None:
    assert rows_seen() == set()


def test_a_bare_session_of_the_application_finds_only_what_it_is_told(
    acme: Organization, globex: Organization, both: None, database_urls: dict[str, str]
) -> None:
    with psycopg.connect(database_urls["app"], autocommit=True) as session:
        before = session.execute("SELECT count(*) FROM tenants_apikey").fetchone()
        session.execute(f"SET robutler.organization_id = '{globex.id}'")
        mine = session.execute("SELECT count(*) FROM tenants_apikey WHERE organization_id = %s", (acme.id,)).fetchone()

    assert (before, mine) == ((0,), (0,))


def test_a_row_for_a_neighbour_is_refused(acme: Organization, globex: Organization) -> None:
    with organization_context(acme.id), pytest.raises(ProgrammingError, match="row-level security"):
        Membership.objects.create(organization=globex, user=make.user(), role="owner")


def test_a_row_cannot_be_given_to_a_neighbour(acme: Organization, globex: Organization) -> None:
    seat = make.member(acme)

    with organization_context(acme.id), pytest.raises(ProgrammingError, match="row-level security"):
        Membership.objects.filter(pk=seat.pk).update(organization=globex)


def test_a_neighbours_row_is_not_changed(acme: Organization, globex: Organization) -> None:
    seat = make.member(globex)

    with organization_context(acme.id):
        changed = Membership.objects.filter(pk=seat.pk).update(role="owner")

    assert changed == 0


@pytest.mark.parametrize(
    "read",
    [
        lambda: list(ApiKey.objects.all()),
        lambda: ApiKey.objects.count(),
        lambda: ApiKey.objects.filter(name="x").exists(),
        lambda: ApiKey._base_manager.first(),
    ],
)
def test_tenant_rows_are_not_read_without_saying_whose(database: None, read: Callable[[], object]) -> None:
    with pytest.raises(NoTenant):
        read()


def test_platform_work_sees_everybody(acme: Organization, globex: Organization, both: None) -> None:
    with platform_context(reason="a test"):
        seen = set(ApiKey.objects.values_list("organization_id", flat=True))

    assert {acme.id, globex.id} <= seen


def test_organizations_nest_and_come_back(acme: Organization, globex: Organization, both: None) -> None:
    with organization_context(acme.id):
        with organization_context(globex.id):
            inner = rows_seen()
        outer = rows_seen()

    assert (inner, outer) == ({globex.id}, {acme.id})


def test_the_setting_is_forgotten_on_rollback(acme: Organization, globex: Organization, both: None) -> None:
    with organization_context(acme.id):
        rows_seen()
    with suppress(KeyError), transaction.atomic():
        with organization_context(globex.id):
            rows_seen()
        raise KeyError

    with organization_context(globex.id):
        seen = rows_seen()

    assert seen == {globex.id}


def test_the_setting_is_forgotten_on_a_savepoints_rollback(
    acme: Organization, globex: Organization, both: None
) -> None:
    with transaction.atomic():
        with organization_context(acme.id):
            savepoint = transaction.savepoint()
        with organization_context(globex.id):
            rows_seen()
            transaction.savepoint_rollback(savepoint)
            seen = rows_seen()

    assert seen == {globex.id}


def test_a_savepoint_rolls_back_after_a_failure_in_another_context(acme: Organization, both: None) -> None:
    with transaction.atomic():
        with suppress(DatabaseError), transaction.atomic(), organization_context(acme.id):
            connection.cursor().execute("SELECT 1 / 0")
        with organization_context(acme.id):
            seen = rows_seen()

    assert seen == {acme.id}


def test_the_setting_is_forgotten_when_a_commit_turns_into_a_rollback(
    acme: Organization, globex: Organization, both: None
) -> None:
    with organization_context(acme.id):
        rows_seen()
    connection.set_autocommit(False)
    with organization_context(globex.id):
        rows_seen()
        with suppress(DatabaseError):
            connection.cursor().execute("SELECT 1 / 0")
        connection.commit()
        connection.set_autocommit(True)
        seen = rows_seen()

    assert seen == {globex.id}


def test_the_setting_is_forgotten_on_close(acme: Organization, globex: Organization, both: None) -> None:
    with organization_context(acme.id):
        rows_seen()
    connection.close()

    assert rows_seen() == set()


def test_the_setting_is_forgotten_when_the_connection_is_lost(acme: Organization, both: None) -> None:
    with organization_context(acme.id):
        rows_seen()
        with suppress(DatabaseError):
            connection.cursor().execute("SELECT pg_terminate_backend(pg_backend_pid())")
        connection.close()
        seen = rows_seen()

    assert seen == {acme.id}


def test_the_session_is_told_only_when_the_organization_changes(acme: Organization, both: None) -> None:
    with organization_context(acme.id):
        rows_seen()
        connection.connection.execute("SET robutler.organization_id = ''")  # behind the engine's back
        same = rows_seen()
    rows_seen()
    with organization_context(acme.id):
        changed = rows_seen()

    assert (same, changed) == (set(), {acme.id})


def test_every_way_to_execute_tells_the_session(acme: Organization, both: None) -> None:
    with organization_context(acme.id), connection.cursor() as cursor:
        connection._told = object()  # type: ignore[attr-defined]
        cursor.executemany("SELECT organization_id FROM tenants_apikey WHERE name = %s", [("test",)])
        connection.close()
    with (
        organization_context(acme.id),
        connection.cursor() as cursor,
        cursor.copy("COPY (SELECT organization_id FROM tenants_apikey) TO STDOUT") as copy,
    ):
        copied = {bytes(row).decode().strip() for row in copy}
    with organization_context(acme.id), connection.cursor() as cursor:
        connection.close()
    with organization_context(acme.id), connection.cursor() as cursor:
        cursor.callproc("robutler_organization")
        called = cursor.fetchone()

    assert (copied, called) == ({str(acme.id)}, (acme.id,))


def test_a_reference_across_organizations_is_refused(acme: Organization, globex: Organization) -> None:
    with organization_context(globex.id):
        theirs = store_credential(organization_id=globex.id, provider="openai", secret=Secret("sk-theirs"))
    with organization_context(acme.id):
        ours = store_credential(organization_id=acme.id, provider="openai", secret=Secret("sk-ours"))

    with organization_context(acme.id), pytest.raises(IntegrityError, match="providercredential_data_key"), atomic():
        type(ours).objects.filter(pk=ours.pk).update(data_key=theirs.data_key_id)


def test_an_organization_is_named_by_its_uuid() -> None:
    with pytest.raises(TypeError, match="UUID"), organization_context("acme"):  # type: ignore[arg-type]
        pass


def test_platform_work_says_why() -> None:
    with pytest.raises(ValueError, match="why"), platform_context(reason=""):
        pass


def test_the_context_answers_for_itself(acme: Organization) -> None:
    with organization_context(acme.id):
        inside = (current_organization(), organization_or_none(), in_platform(), platform_reason(), alias())
    with platform_context(reason="a test"):
        above = (organization_or_none(), in_platform(), platform_reason(), alias())

    assert inside == (acme.id, acme.id, False, "", "default")
    assert above == (None, True, "a test", "platform")


@pytest.mark.parametrize("statement", ["DELETE FROM tenants_organization", "DELETE FROM tenants_apikey"])
def test_the_application_removes_neither_organizations_nor_keys(acme: Organization, statement: str) -> None:
    with (
        organization_context(acme.id),
        connection.cursor() as cursor,
        pytest.raises(ProgrammingError, match="permission denied"),
    ):
        cursor.execute(statement)
