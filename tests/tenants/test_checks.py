"""The system check that the walls stand: silent when they do, loud about each that is missing."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import DatabaseError, connections

from tenants import context, readiness
from tenants.checks import check_walls, missing_walls

WHOLE = """
CREATE TABLE planted (
    id uuid PRIMARY KEY, organization_id uuid NOT NULL, friend_id uuid, UNIQUE (organization_id, id),
    FOREIGN KEY (organization_id, friend_id) REFERENCES planted (organization_id, id)
);
ALTER TABLE planted ENABLE ROW LEVEL SECURITY;
ALTER TABLE planted FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON planted TO robutler_app
    USING (organization_id = robutler_organization()) WITH CHECK (organization_id = robutler_organization());
"""


@contextmanager
def planted(damage: str = "") -> Iterator[None]:
    """A tenant table with this damage to its walls."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(WHOLE + damage)
        try:
            yield
        finally:
            cursor.execute("DROP TABLE planted")


def found() -> list[str | None]:
    return [message.id for message in missing_walls() if message.msg.startswith("planted ")]


def test_every_wall_of_the_platform_stands(database: None) -> None:
    assert [message.msg for message in missing_walls()] == []


def test_a_whole_table_is_fine(database: None) -> None:
    with planted():
        assert found() == []


@pytest.mark.parametrize(
    ("damage", "identity"),
    [
        ("ALTER TABLE planted DISABLE ROW LEVEL SECURITY", "tenants.E001"),
        ("ALTER TABLE planted NO FORCE ROW LEVEL SECURITY", "tenants.E001"),
        ("DROP POLICY tenant ON planted", "tenants.E002"),
        ("CREATE POLICY wide ON planted TO robutler_app USING (true)", "tenants.E002"),
        ("CREATE POLICY wide ON planted USING (true)", "tenants.E002"),
        ("CREATE POLICY wide ON planted FOR INSERT TO robutler_app WITH CHECK (true)", "tenants.E002"),
        ("ALTER TABLE planted DROP CONSTRAINT planted_organization_id_id_key CASCADE", "tenants.E003"),
        ("ALTER TABLE planted ADD CONSTRAINT loose FOREIGN KEY (friend_id) REFERENCES tenants_apikey", "tenants.E004"),
    ],
)
def test_a_missing_wall_is_found(database: None, damage: str, identity: str) -> None:
    with planted(damage):
        assert found() == [identity]


def test_a_reference_that_is_meant_to_cross_says_so(database: None) -> None:
    damage = (
        "ALTER TABLE planted ADD CONSTRAINT loose FOREIGN KEY (friend_id) REFERENCES tenants_apikey;"
        "COMMENT ON CONSTRAINT loose ON planted IS 'crosses organizations: for a test'"
    )
    with planted(damage):
        assert found() == []


def test_the_check_speaks_when_asked_about_the_database(database: None) -> None:
    with planted("ALTER TABLE planted DISABLE ROW LEVEL SECURITY"):
        asked = [message.id for message in check_walls(databases=["owner"])]
        not_asked = check_walls(databases=None)

    assert "tenants.E001" in asked
    assert not_asked == []


def test_a_role_that_climbs_walls_is_refused(database: None, monkeypatch: pytest.MonkeyPatch) -> None:
    fine = check_walls(databases=["default"])
    monkeypatch.setattr(context, "APP", "platform")

    strong = check_walls(databases=["platform"])

    assert "tenants.E005" not in [message.id for message in fine]
    assert "tenants.E005" in [message.id for message in strong]


def test_it_is_ready_when_all_migrations_are_applied(database: None) -> None:
    assert readiness.not_ready_because() is None


def test_it_is_not_ready_while_a_migration_is_missing(database: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness._State, "is_complete", False)
    with connections["owner"].cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'tenants' AND name LIKE '0005%%' RETURNING *")
        try:
            because = readiness.not_ready_because()
        finally:
            cursor.execute(
                "INSERT INTO django_migrations (app, name, applied) VALUES ('tenants', '0005_audit_events', now())"
            )

    assert because == readiness.BEHIND


def test_it_is_not_ready_while_the_database_is_away(database: None, monkeypatch: pytest.MonkeyPatch) -> None:
    class Away:
        def __getitem__(self, alias: str) -> object:
            raise DatabaseError

    monkeypatch.setattr(readiness, "connections", Away())

    assert readiness.not_ready_because() == readiness.AWAY
