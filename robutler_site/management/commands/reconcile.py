"""`manage.py reconcile`: prove that the books hold."""

import csv
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from billing import reconcile
from robutler_site import output

EXIT_BROKEN = 1


class Command(BaseCommand):
    """Compare everything in the books that should agree, keep what was found, and say so."""

    help = "Reconcile the books of a day and print what was found; exits with 1 when anything is broken."

    def add_arguments(self, parser: CommandParser) -> None:
        output.add_json_option(parser)
        parser.add_argument("--csv", action="store_true", dest="as_csv", help="Answer in CSV.")
        parser.add_argument(
            "--day", type=_day, default=None, metavar="YYYY-MM-DD", help="In UTC; today unless another is named."
        )
        parser.add_argument(
            "--provider-usage",
            type=Path,
            metavar="FILE",
            help="What providers say they did: a CSV with the columns day, model and cost_usd.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        day = options["day"] or datetime.now(UTC).date()
        report = reconcile.reconcile(day=day, export=_export(options["provider_usage"]), actor="manage.py reconcile")
        rows = [asdict(finding) for finding in report.findings]
        if options["as_csv"]:
            table = csv.DictWriter(self.stdout, fieldnames=list(rows[0]), lineterminator="\r\n")
            table.writeheader()
            table.writerows(rows)
        else:
            output.show(self.stdout, rows, as_json=options["as_json"], title=f"Reconciliation of {day}")
        if report.breaks:
            raise SystemExit(EXIT_BROKEN)


def _day(text: str) -> date:
    return date.fromisoformat(text)


def _export(path: Path | None) -> Any:
    if path is None:
        return None
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return reconcile.read_export(file)
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path} cannot be read: {error}.") from None
    except reconcile.UnreadableExport as error:
        raise CommandError(f"{path}: {error}") from None
