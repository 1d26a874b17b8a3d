"""`manage.py import_prices`: what providers ask, from litellm's price file, as a draft that somebody publishes."""

from collections import Counter
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import IntegrityError
from django.utils import timezone

from billing.price_import import Imported, import_prices
from billing.price_review import DOUBTS, PriceChange
from billing.prices import litellm
from robutler_site import output

SHOWN = 20


class Command(BaseCommand):
    """Draft a version of the providers' prices."""

    help = (
        "Draft the providers' prices from a file in litellm's format, by default the one inside the installed litellm. "
        "Nothing is fetched, and nothing counts before somebody publishes the draft."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", nargs="?", type=Path, help="Default: the file that came with litellm.")
        parser.add_argument("--by", required=True, metavar="EMAIL", help="Who drafts it; somebody else publishes it.")
        parser.add_argument("--name", default="", help="What the version is called (default: the source and the time).")
        parser.add_argument("--remove-absent", action="store_true", help="Drop models that the file does not name.")
        parser.add_argument("--check", action="store_true", help="Only say what the file holds and what is left out.")
        parser.add_argument("--all", action="store_true", help=f"Show every change, not the {SHOWN} largest.")
        output.add_json_option(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            reading = litellm.read(options["file"])
        except (OSError, ValueError) as error:
            raise CommandError(f"The file of prices cannot be read: {error}") from error
        if not reading.models:
            raise CommandError(f"{reading.source} names no price that can be taken.")
        if options["check"]:
            return self._checked(reading, as_json=options["as_json"])
        name = options["name"] or f"{reading.source}, {timezone.now():%Y-%m-%d %H:%M:%S}"
        try:
            imported = import_prices(
                reading, name=name[:80], created_by=options["by"], remove_absent=options["remove_absent"]
            )
        except IntegrityError as error:
            raise CommandError(f"There is a version called {name} already: choose another --name.") from error
        self._show(imported, reading, show_all=options["all"], as_json=options["as_json"])

    def _checked(self, reading: litellm.Reading, *, as_json: bool) -> None:
        row = {"source": reading.source, "models": len(reading.models), **_skipped(reading)}
        output.show(self.stdout, [row], as_json=as_json)
        if not as_json:
            rows = [{"entry": name, "left_out_because": why} for name, why in reading.skipped.items()]
            output.show(self.stdout, rows, as_json=False, title="Left out")

    def _show(self, imported: Imported, reading: litellm.Reading, *, show_all: bool, as_json: bool) -> None:
        review = imported.review
        row = {
            "version": imported.version.pk,
            "name": imported.version.name,
            "state": imported.version.state,
            **review.counts,
            "doubtful": len(review.doubtful),
            "needs_another_person": review.needs_another,
            "models_not_in_the_file": len(imported.absent),
            **_skipped(reading),
        }
        output.show(self.stdout, [row], as_json=as_json)
        if not as_json:
            changes = review.changes if show_all else review.changes[:SHOWN]
            output.show(self.stdout, [_row(change) for change in changes], as_json=False, title="Changes")
            self.stdout.write("Nothing counts yet. Review and publish it in the admin, under Prices.\n")


def _skipped(reading: litellm.Reading) -> dict[str, int]:
    reasons = Counter(why.partition(":")[0] for why in reading.skipped.values())
    return {f"left out: {reason}": count for reason, count in sorted(reasons.items())}


def _row(change: PriceChange) -> dict[str, Any]:
    where = [change.service_tier, f"above {change.context_from:,}" if change.context_from else ""]
    return {
        "model": change.model,
        "unit": " ".join((change.unit, *filter(None, where))),
        "change": change.kind,
        "old_pico": "" if change.old_pico is None else change.old_pico,
        "new_pico": "" if change.new_pico is None else change.new_pico,
        "factor": "" if change.factor is None else f"{change.factor:.3g}",
        "doubt": DOUBTS.get(change.doubt, ""),
    }
