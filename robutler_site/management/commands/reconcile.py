"""`manage.py reconcile`: prove that the books balance."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from billing import selectors
from robutler_site import output

EXIT_BROKEN = 1


class Command(BaseCommand):
    """Check every invariant of the ledger."""

    help = "Check the books and print what was found; exits with 1 when anything is broken."

    def add_arguments(self, parser: CommandParser) -> None:
        output.add_json_option(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        violations = selectors.invariants()
        rows = [{"check": name, "violations": count} for name, count in sorted(violations.items())]
        output.show(self.stdout, rows, as_json=options["as_json"], title="Reconciliation")
        if any(row["violations"] for row in rows):
            raise SystemExit(EXIT_BROKEN)
