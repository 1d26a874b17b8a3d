"""`manage.py publish_prices`: let a draft of prices count, after what looks mistaken in it is accepted or dropped."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from billing import price_pages, price_review, publishing
from robutler_site import output


class Command(BaseCommand):
    """Publish a draft of prices."""

    help = (
        "Publish a draft of prices. Prices that look mistaken are accepted by the name of their model, with a reason, "
        "or dropped: then the price that counts now stays. A price that moves by more than a fifth is published by "
        "somebody who did not write the draft."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("version", help="The name of the draft.")
        parser.add_argument("--by", required=True, metavar="EMAIL", help="Who publishes it.")
        parser.add_argument(
            "--accept", nargs=2, action="append", default=[], metavar=("MODEL", "REASON"), help="May be given often."
        )
        parser.add_argument("--drop", action="append", default=[], metavar="MODEL", help="May be given often.")
        parser.add_argument("--drop-doubtful", action="store_true", help="Drop all that is not accepted by name.")
        output.add_json_option(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        version = price_pages.version_called(options["version"])
        if version is None:
            raise CommandError(f"There is no draft called {options['version']!r}: import_prices makes one.")
        self._decide(version.pk, options)
        try:
            published = publishing.publish_version(version_id=version.pk, published_by=options["by"])
        except publishing.PublicationRefused as refused:
            raise CommandError(f"{refused}\n{_doubts(version.pk)}".strip()) from refused
        row = {"version": published.pk, "name": published.name, "holds_from": published.valid_from}
        output.show(self.stdout, [row], as_json=options["as_json"])

    def _decide(self, version_id: int, options: dict[str, Any]) -> None:
        accepted, dropped = dict(options["accept"]), set(options["drop"])
        doubtful = price_review.review(version_id).doubtful
        if unknown := (accepted.keys() | dropped) - {change.model for change in doubtful}:
            raise CommandError(f"Nothing looks mistaken in the prices of {', '.join(sorted(unknown))}.")
        for change in doubtful:
            if change.item_id is None:
                continue
            if change.model in accepted:
                publishing.accept_price(
                    item_id=change.item_id, reason=accepted[change.model], accepted_by=options["by"]
                )
            elif change.model in dropped or options["drop_doubtful"]:
                publishing.drop_price(item_id=change.item_id)


def _doubts(version_id: int) -> str:
    lines = (
        f"{change.model}, {change.unit}: {change.old_pico} becomes {change.new_pico} picodollars. "
        f"{price_review.DOUBTS[change.doubt]}"
        for change in price_review.review(version_id).doubtful[:20]
    )
    return "\n".join(lines)
