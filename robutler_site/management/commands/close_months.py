"""`manage.py close_months`: close and print the months that are over, now rather than within the half hour."""

from typing import Any

from django.core.management.base import BaseCommand

from billing import statements


class Command(BaseCommand):
    """Close what is over, wherever organizations are; what is closed already stays as it is."""

    help = "Close every organization's months that are over, and print their statements."

    def handle(self, *args: Any, **options: Any) -> None:
        closed = statements.close_and_print()
        self.stdout.write(f"{closed} month{'s' if closed != 1 else ''} closed.")
