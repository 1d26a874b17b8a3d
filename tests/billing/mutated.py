"""A plugin for pytest that bends one rule before the tests begin: `MUTANT` names it, for test_mutants.py only."""

import os
import sys
from importlib.machinery import SourceFileLoader
from types import CodeType
from typing import Any

import psycopg
import pytest

from tests.billing.mutants import mutants

MUTANT = mutants()[os.environ["MUTANT"]]


def bend_imports() -> None:
    """Python is bent when it is imported: before Django is loaded, so by the import of this plugin."""
    sys.dont_write_bytecode = True
    get_code = SourceFileLoader.get_code

    def get_bent_code(loader: Any, name: str) -> CodeType | None:
        if loader.path.endswith(MUTANT.file):
            return compile(MUTANT.bent, loader.path, "exec")
        return get_code(loader, name)

    SourceFileLoader.get_code = get_bent_code  # type: ignore[method-assign, assignment]


bend_imports()


@pytest.fixture(scope="session", autouse=True)
def rule_is_bent(request: pytest.FixtureRequest) -> None:
    """SQL is bent in this run's database."""
    if MUTANT.file.endswith(".sql"):
        urls = request.getfixturevalue("database_urls")
        with psycopg.connect(urls["owner"].replace("robutler_owner", "postgres"), autocommit=True) as database:
            database.execute(MUTANT.bent.encode())
