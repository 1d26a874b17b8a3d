"""The guide for who updates prices runs, from its beginning to its end."""

import re
import shlex
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction

from billing.models import PriceAcceptance, PriceItem, PriceVersion
from billing.price_table import table
from tenants.context import PLATFORM, platform_context

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "update-prices.md"
BLOCK = re.compile(r"^```(?P<kind>json|sh)\n(?P<text>.*?)^```", re.MULTILINE | re.DOTALL)
COMMAND = ".venv/bin/python manage.py "


def commands() -> list[list[str]]:
    """What the guide says to run, in order."""
    shown = [found["text"] for found in BLOCK.finditer(GUIDE.read_text()) if found["kind"] == "sh"]
    lines = [line for text in shown for line in text.splitlines()]
    assert all(line.startswith(COMMAND) for line in lines)
    return [shlex.split(line.removeprefix(COMMAND)) for line in lines]


def test_the_guide_for_who_updates_prices_runs(
    database: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (file,) = (found["text"] for found in BLOCK.finditer(GUIDE.read_text()) if found["kind"] == "json")
    (tmp_path / "prices.json").write_text(file)
    monkeypatch.chdir(tmp_path)

    with platform_context(reason="a test"), transaction.atomic(using=PLATFORM):
        for command in commands():
            if "--accept" in command:
                with pytest.raises(CommandError, match="look mistaken"), transaction.atomic(using=PLATFORM):
                    call_command(*command[: command.index("--accept")])
            call_command(*command)
        states = dict(PriceVersion.objects.filter(name__in=("November", "Acme")).values_list("name", "state"))
        price = PriceItem.objects.get(version__name="Acme", model="acme/acme-large", unit="output").price
        reasons = set(PriceAcceptance.objects.filter(version__name="Acme").values_list("reason", flat=True))
        transaction.set_rollback(True, using=PLATFORM)
    table.forget()

    assert states == {"November": "published", "Acme": "published"}
    assert price == 1_500_000_000
    assert reasons == {"Their invoice of 3 November.", "The same."}
    assert "Left out" in capsys.readouterr().out


def test_a_draft_that_is_none_is_not_published(database: None) -> None:
    with pytest.raises(CommandError, match="no draft called"):
        call_command("publish_prices", "nothing", "--by", "ben@example.test")


def test_nothing_is_accepted_that_does_not_look_mistaken(database: None) -> None:
    with platform_context(reason="a test"), transaction.atomic(using=PLATFORM):
        call_command("import_prices", "--by", "ann@example.test", "--name", "Accepting")
        with pytest.raises(CommandError, match="Nothing looks mistaken"):
            call_command("publish_prices", "Accepting", "--by", "ben@example.test", "--accept", "gpt-4o", "Yes.")
        transaction.set_rollback(True, using=PLATFORM)
