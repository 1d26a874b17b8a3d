"""Checks that the walls stand: over what the database says of its tables, not over what the models wish."""

from collections.abc import Sequence
from typing import Any, Final

from django.core.checks import CheckMessage, Error, Tags, register
from django.db import connections

from tenants import context

# Tenant tables are those with the column organization_id, however they were made.
_TENANT_TABLES: Final = """
WITH tenant AS (
    SELECT c.oid FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
      AND a.attname = 'organization_id' AND NOT a.attisdropped
)
"""

_WITHOUT_ROW_SECURITY: Final = """
SELECT c.relname, '' FROM pg_class c
WHERE c.oid IN (TABLE tenant UNION SELECT to_regclass('public.tenants_organization'))
  AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
"""

# What the application may see or write has to depend on its organization, in every policy that applies to it.
_LOOSE_POLICIES: Final = """
SELECT c.relname, coalesce(p.polname, 'none') FROM pg_class c
LEFT JOIN pg_policy p ON p.polrelid = c.oid
    AND p.polroles && ARRAY['robutler_app'::regrole::oid, 0::oid]
WHERE c.oid IN (TABLE tenant)
  AND coalesce(
      (p.polqual IS NULL AND p.polwithcheck IS NULL)
      OR pg_get_expr(p.polqual, c.oid) NOT LIKE '%robutler_organization()%'
      OR pg_get_expr(p.polwithcheck, c.oid) NOT LIKE '%robutler_organization()%',
      p.polname IS NULL)
"""

_WITHOUT_PAIR: Final = """
SELECT c.relname, '' FROM pg_class c JOIN pg_attribute i ON i.attrelid = c.oid AND i.attname = 'id'
WHERE c.oid IN (TABLE tenant) AND NOT EXISTS (
    SELECT FROM pg_index x JOIN pg_attribute o ON o.attrelid = c.oid AND o.attname = 'organization_id'
    WHERE x.indrelid = c.oid AND x.indisunique AND x.indpred IS NULL
      AND x.indkey::int2[] @> ARRAY[o.attnum, i.attnum] AND x.indnkeyatts = 2)
"""

# PostgreSQL checks references without looking at row security, so a reference has to carry whose row it means.
_LOOSE_REFERENCES: Final = """
SELECT c.relname, f.conname FROM pg_constraint f JOIN pg_class c ON c.oid = f.conrelid
JOIN pg_attribute o ON o.attrelid = f.confrelid AND o.attname = 'organization_id'
WHERE f.contype = 'f' AND f.conparentid = 0
  AND f.conrelid IN (TABLE tenant) AND f.confrelid IN (TABLE tenant)
  AND NOT f.confkey @> ARRAY[o.attnum]
  AND NOT coalesce(obj_description(f.oid, 'pg_constraint') LIKE 'crosses organizations%', false)
  AND NOT EXISTS (
      SELECT FROM pg_constraint w WHERE w.contype = 'f' AND w.conrelid = f.conrelid
        AND w.confrelid = f.confrelid AND w.conkey @> f.conkey AND w.confkey @> (f.confkey || o.attnum))
"""

_KINDS: Final = (
    (
        "tenants.E001",
        _WITHOUT_ROW_SECURITY,
        "{table} has no row-level security.",
        "ALTER TABLE {table} ENABLE ROW LEVEL SECURITY; ALTER TABLE {table} FORCE ROW LEVEL SECURITY;",
    ),
    (
        "tenants.E002",
        _LOOSE_POLICIES,
        "{table} has no policy, or one ({name}) that does not compare with the organization, for robutler_app.",
        (
            "CREATE POLICY tenant ON {table} TO robutler_app USING (organization_id = robutler_organization()) "
            "WITH CHECK (organization_id = robutler_organization());"
        ),
    ),
    (
        "tenants.E003",
        _WITHOUT_PAIR,
        "{table} has no unique (organization_id, id), so nothing can refer to both.",
        'Add UniqueConstraint(fields=("organization", "id"), …) to the model.',
    ),
    (
        "tenants.E004",
        _LOOSE_REFERENCES,
        "{table} refers to another tenant table without the organization ({name}).",
        (
            "Add FOREIGN KEY (organization_id, x_id) REFERENCES y (organization_id, id), or, where it is meant to, "
            "COMMENT ON CONSTRAINT {name} ON {table} IS 'crosses organizations: why'."
        ),
    ),
)

_ROLE: Final = "SELECT rolname, rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user"


@register(Tags.database)
def check_walls(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Every tenant table has its wall, and the application's role cannot climb it."""
    checked = set(databases or ())
    if not checked & {context.OWNER, context.APP}:
        return []
    through = context.OWNER if context.OWNER in checked else context.APP
    found = _missing_walls(through)
    if context.APP in checked:
        found += _role_too_strong()
    return found


def missing_walls() -> list[CheckMessage]:
    """What is missing of the walls, asked through the application's own connection."""
    return _missing_walls(context.APP)


def _missing_walls(through: str) -> list[CheckMessage]:
    with connections[through].cursor() as cursor:
        cursor.execute("SELECT to_regclass('public.tenants_organization') IS NULL")
        if cursor.fetchone()[0]:
            return []  # nothing is there yet
        found: list[CheckMessage] = []
        for identity, query, message, hint in _KINDS:
            cursor.execute(_TENANT_TABLES + query)
            found += [
                Error(message.format(table=table, name=name), hint=hint.format(table=table, name=name), id=identity)
                for table, name in cursor.fetchall()
            ]
    return found


def _role_too_strong() -> list[CheckMessage]:
    with connections[context.APP].cursor() as cursor:
        cursor.execute(_ROLE)
        name, is_super, bypasses = cursor.fetchone()
    if not (is_super or bypasses):
        return []
    return [
        Error(
            f"The application connects as {name}, whom row-level security does not stop.",
            hint="Set DATABASE_URL to robutler_app; robutler_site/sql/roles.sql makes the roles.",
            id="tenants.E005",
        )
    ]
