"""`manage.py rotate_kek`: wrap every data key anew after ROBUTLER_KEK has changed."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from robutler_site import output
from tenants.errors import SecretUnreadable
from tenants.services import rotate_kek


class Command(BaseCommand):
    """Move every data key over to the key-encryption key of now."""

    help = "Wrap every data key under ROBUTLER_KEK, those under ROBUTLER_PREVIOUS_KEK too, which may then be unset."

    def add_arguments(self, parser: CommandParser) -> None:
        output.add_json_option(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            wrapped = rotate_kek()
        except SecretUnreadable as error:
            raise CommandError(f"{error} Set ROBUTLER_PREVIOUS_KEK to it until this has run.") from error
        if options["as_json"]:
            output.show(self.stdout, [{"wrapped_anew": wrapped}], as_json=True)
        else:
            self.stdout.write(f"{wrapped} data keys were wrapped anew; ROBUTLER_PREVIOUS_KEK is needed no more.")
