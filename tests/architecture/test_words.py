"""What no file of the project says."""

import re
from collections.abc import Iterator

import pytest

from tests.architecture.sources import ROOT, Source, complaints, files, imports, snippet, sources

UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
PLACES = ("work", "root", "mnt", "opt", "home", "Users")
ELSEWHERE = re.compile(rf"(?<![\w.$}}/])/(?:{'|'.join(PLACES)})(?:/|\b)|/shared/|\brulings\.md|\bhouse\.md")

HERE = "tests/architecture/test_words.py"


def unfinished(source: Source) -> Iterator[str]:
    """Complain about work left for later."""
    for number, line in enumerate(source.text.splitlines(), start=1):
        if found := UNFINISHED.search(line):
            yield f"{number}: {found[0]} is not written here; finish it or open an issue"


def other_machines(source: Source) -> Iterator[str]:
    """Complain about paths that exist on one machine only."""
    for number, line in enumerate(source.text.splitlines(), start=1):
        if found := ELSEWHERE.search(line):
            yield f"{number}: {found[0]!r} exists on one machine only"


def late_annotations(source: Source) -> Iterator[str]:
    """Complain about annotations that tools cannot read at run time."""
    for line, name in imports(source.tree):
        if name == "__future__.annotations":
            yield f"{line}: tools read annotations at run time"


def mocks(source: Source) -> Iterator[str]:
    """Complain about parts that are not real."""
    for line, name in imports(source.tree):
        if name.split(".")[0] == "mock" or name.startswith("unittest.mock"):
            yield f"{line}: use the real part, or a fake that listens on a port"


def texts() -> tuple[Source, ...]:
    """Every text file of the project, lock files and this file excepted."""
    kinds = (
        ".py",
        ".md",
        ".toml",
        ".yaml",
        ".yml",
        ".conf",
        ".html",
        ".css",
        ".js",
        ".sql",
        ".sh",
        "Makefile",
        "Dockerfile",
        "run",
    )
    return tuple(
        Source(path=name, text=(ROOT / name).read_text()) for name in files() if name.endswith(kinds) and name != HERE
    )


def test_nothing_is_left_for_later() -> None:
    assert complaints(unfinished, texts()) == []


def test_no_text_names_a_place_on_one_machine() -> None:
    assert complaints(other_machines, texts()) == []


def test_annotations_are_read_at_run_time() -> None:
    assert complaints(late_annotations, sources()) == []


def test_tests_use_real_parts() -> None:
    assert complaints(mocks, sources()) == []


@pytest.mark.parametrize("text", ["x = 1  # TODO: more", "# FIXME", "pass  # XXX"])
def test_unfinished_work_is_seen(text: str) -> None:
    assert list(unfinished(snippet(text)))


@pytest.mark.parametrize(
    "text", [*(f'open("/{place}/main/x")' for place in PLACES), "# see ../shared/x", "as rulings.md says"]
)
def test_a_place_on_one_machine_is_seen(text: str) -> None:
    assert list(other_machines(snippet(text)))


@pytest.mark.parametrize("text", ['"/v1/work/items"', "a framework", "docs/work/", 'f"{base}/work"'])
def test_a_word_is_not_a_place(text: str) -> None:
    assert not list(other_machines(snippet(text)))


def test_late_annotations_are_seen() -> None:
    assert list(late_annotations(snippet("from __future__ import annotations")))


@pytest.mark.parametrize("text", ["from unittest import mock", "from unittest.mock import patch", "import mock"])
def test_a_mock_is_seen(text: str) -> None:
    assert list(mocks(snippet(text)))
