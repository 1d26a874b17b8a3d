"""Files and migrations carry names that say what is in them."""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

import pytest

from tests.architecture.sources import Source, complaints, imports, product, snippet, sources

NAMELESS = frozenset({"utils", "util", "helpers", "helper", "common", "misc", "base", "core", "constants", "stuff"})

NAMED_BY_OTHERS = {
    "tenants/postgres/base.py": "Django looks for a database engine in the module `base` of the package ENGINE names.",
}

NAMED_BY_DJANGO = re.compile(r"\d{4}_(auto_|alter_\w+_and_more|\w+_and_more$)")


def nameless_files(source: Source) -> Iterator[str]:
    """Complain about files and folders named after nothing."""
    if source.path in NAMED_BY_OTHERS:
        return
    for part in PurePosixPath(source.path).with_suffix("").parts:
        if part.strip("_") in NAMELESS:
            yield f"1: {part!r} does not say what is in it"


def unnamed_migrations(source: Source) -> Iterator[str]:
    """Complain about migrations named by Django."""
    stem = PurePosixPath(source.path).stem
    if source.is_migration and NAMED_BY_DJANGO.match(stem):
        yield f"1: {stem!r} was named by Django; say what it does"


def migrations_with_project_imports(source: Source) -> Iterator[str]:
    """Complain about migrations that will change when the project does."""
    if not source.is_migration:
        return
    project = ("agents", "api", "billing", "outbound", "robutler_site", "skills", "tenants")
    for line, name in imports(source.tree):
        if name.split(".")[0] in project:
            yield f"{line}: a migration is history and cannot import {name}"


def test_every_file_has_a_name() -> None:
    assert complaints(nameless_files, sources()) == []


def test_names_given_by_others_are_still_in_use() -> None:
    assert set(NAMED_BY_OTHERS) <= {source.path for source in sources()}


def test_every_migration_has_a_name() -> None:
    assert complaints(unnamed_migrations, product()) == []


def test_migrations_stand_alone() -> None:
    assert complaints(migrations_with_project_imports, product()) == []


@pytest.mark.parametrize("path", ["agents/utils.py", "api/core/x.py", "tests/helpers.py", "billing/_common.py"])
def test_a_nameless_file_is_seen(path: str) -> None:
    assert list(nameless_files(snippet("", path)))


@pytest.mark.parametrize("name", ["0002_auto_20260101_1200", "0003_alter_agent_name_and_more"])
def test_an_unnamed_migration_is_seen(name: str) -> None:
    assert list(unnamed_migrations(snippet("", f"agents/migrations/{name}.py")))


def test_a_project_import_in_a_migration_is_seen() -> None:
    bad = snippet("from tenants.ids import uuid7\nimport agents.models", "agents/migrations/0001_agents.py")

    assert len(list(migrations_with_project_imports(bad))) == 2
