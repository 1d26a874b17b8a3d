"""The functions in the database are those in the files, and act as the ledger."""

import re
from pathlib import Path
from typing import Any

from django.db import connections

DEFINED = re.compile(r"CREATE OR REPLACE FUNCTION (?P<name>\w+).*?AS \$\$(?P<body>.*?)\$\$;", re.DOTALL)

_ACTING = "prosecdef, pg_get_userbyid(proowner), proconfig"


def _catalog(columns: str) -> list[tuple[Any, ...]]:
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            f"SELECT {columns} FROM pg_proc p WHERE pronamespace = 'public'::regnamespace AND proname ~ '^billing_'"
        )
        return list(cursor.fetchall())


def test_the_functions_in_the_database_are_those_in_the_files(database: None) -> None:
    files = "".join(path.read_text() for path in sorted(Path("billing/sql").glob("*.sql")))
    written = {found["name"]: found["body"] for found in DEFINED.finditer(files)}

    assert dict(_catalog("proname, prosrc")) == written
    assert len(written) > 15


def test_functions_that_act_for_others_act_as_the_ledger_on_a_fixed_path(database: None) -> None:
    acting = [(owner, options[0]) for acts, owner, options in _catalog(_ACTING) if acts]

    assert set(acting) == {("robutler_ledger", "search_path=pg_catalog, public, pg_temp")}


def test_nothing_is_executable_by_everybody(database: None) -> None:
    assert not any(row[0] for row in _catalog("has_function_privilege('robutler_readonly', p.oid, 'EXECUTE')"))
