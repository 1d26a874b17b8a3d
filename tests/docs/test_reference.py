"""The reference pages say what the code says."""

import re
from pathlib import Path

import pytest

from docs import generate
from robutler_site.env import Environment
from tests.live import results

SETTING = re.compile(r"`(ROBUTLER_[A-Z_]+)`")
DOCUMENTS = sorted((*generate.REFERENCE.parent.rglob("*.md"), generate.REFERENCE.parent.parent / "README.md"))


def settings_named(page: Path) -> set[str]:
    """The settings that a document speaks of."""
    return set(SETTING.findall(page.read_text()))


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: page.name)
def test_every_setting_that_a_document_names_exists(page: Path) -> None:
    known = {f"ROBUTLER_{name.upper()}" for name in Environment.model_fields}

    assert settings_named(page) <= known


@pytest.mark.parametrize("name", generate.PAGES)
def test_a_reference_page_is_up_to_date(name: str) -> None:
    assert (generate.REFERENCE / name).read_text() == generate.PAGES[name](), "run `make docs`"


@pytest.mark.parametrize("client", results.CLIENTS, ids=lambda client: client.name)
def test_a_client_was_last_proven_with_the_versions_of_its_lock_file(client: results.Client) -> None:
    assert results.kept(client)["packages"] == results.versions(client), "run `make prove` and `make docs`"
