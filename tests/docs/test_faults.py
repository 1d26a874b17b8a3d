"""The pages about money name tests that exist, and leave no fault and no race out."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "docs" / "explanation" / name for name in ("faults.md", "who-pays.md", "proof.md")]
_NAMED = re.compile(r"`(test_\w+)`")
_WRITTEN = re.compile(r"^(?:async )?def (test_\w+)", re.MULTILINE)


def test_every_test_that_the_pages_name_exists() -> None:
    written = {name for path in (ROOT / "tests").rglob("test_*.py") for name in _WRITTEN.findall(path.read_text())}
    named = {name for page in PAGES for name in _NAMED.findall(page.read_text())}

    assert named - written == set()


def test_every_fault_has_its_line() -> None:
    lines = re.findall(r"^\| (F\d\d) \|", PAGES[0].read_text(), re.MULTILINE)

    assert lines == [f"F{number:02}" for number in range(1, 65)]


def test_every_row_of_who_pays_has_a_test_named_after_it() -> None:
    rows = set(re.findall(r"^\| P(\d+) \|", PAGES[1].read_text(), re.MULTILINE))
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))

    assert {row for row in rows if f"def test_p{int(row):02}_" not in tests} == set()


def test_every_race_has_its_line() -> None:
    lines = re.findall(r"^\| (C\d+) \|", PAGES[2].read_text(), re.MULTILINE)

    assert lines == [f"C{number}" for number in range(1, 15)]
