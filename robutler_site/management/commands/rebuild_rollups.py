"""`manage.py rebuild_rollups`: add the figures of the books up anew."""

from typing import Any

from django.core.management.base import BaseCommand

from billing import rollups


class Command(BaseCommand):
    """Throw the figures by the hour away and make them anew from the ledger, in one transaction."""

    help = "Make the figures by the hour anew from the ledger. Nothing else changes."

    def handle(self, *args: Any, **options: Any) -> None:
        rollups.rebuild()
        is_current = rollups.refresh()
        self.stdout.write("The figures are made anew." if is_current else "Made anew; others are writing, so they lag.")
