"""`manage.py export_books`: the journal, what runs came to, or sums by day and account, as a file."""

import sys
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import IO, Any, cast

from django.core.management.base import BaseCommand, CommandError, CommandParser

from billing import exports


class Command(BaseCommand):
    """Write part of the books to a file, or to whoever reads."""

    help = "Export the journal, what runs came to (usage), or sums by day and account (ledger)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", choices=exports.NAMES)
        parser.add_argument("--format", choices=exports.FORMATS, default="csv")
        parser.add_argument("--first", type=date.fromisoformat, default=date(2000, 1, 1), metavar="YYYY-MM-DD")
        parser.add_argument("--last", type=date.fromisoformat, default=date(2200, 1, 1), metavar="YYYY-MM-DD")
        parser.add_argument("--output", type=Path, metavar="FILE", help="Where to write; standard output unless named.")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["last"] < options["first"]:
            raise CommandError("--last is before --first.")
        export = exports.Export(
            name=options["name"],
            format=options["format"],
            since=datetime.combine(options["first"], time(), UTC),
            until=datetime.combine(options["last"] + timedelta(days=1), time(), UTC),
        )
        if options["output"] is None:
            _write(export, cast(IO[bytes], sys.stdout.buffer))
            return
        try:
            with options["output"].open("wb") as file:
                _write(export, file)
        except OSError as error:
            raise CommandError(f"{options['output']} cannot be written: {error}.") from None


def _write(export: exports.Export, file: IO[bytes]) -> None:
    for part in exports.written(export):
        file.write(part)
