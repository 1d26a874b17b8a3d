"""`manage.py issue_key`: an API key, shown this once."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from robutler_site import addressing, output
from tenants.context import organization_context
from tenants.errors import PermissionMissing
from tenants.permissions import KEY_PERMISSIONS
from tenants.services import issue_key


class Command(BaseCommand):
    """Issue a key to an organization."""

    help = "Issue an API key; it is shown once and kept nowhere."

    def add_arguments(self, parser: CommandParser) -> None:
        addressing.add_organization_option(parser)
        parser.add_argument("--name", default="Command line", help="What it is for.")
        parser.add_argument(
            "--permission",
            action="append",
            choices=sorted(KEY_PERMISSIONS),
            metavar="NAME",
            help=f"May be given several times: {', '.join(sorted(KEY_PERMISSIONS))} (default: those of a caller).",
        )
        parser.add_argument("--test-mode", action="store_true", help="Reaches scripted models only, charges nothing.")
        output.add_json_option(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        card = addressing.organization(options["organization"])
        chosen = {"permissions": options["permission"]} if options["permission"] else {}
        with organization_context(card.id):
            try:
                key, text = issue_key(
                    organization_id=card.id, name=options["name"], test_mode=options["test_mode"], **chosen
                )
            except PermissionMissing as error:
                raise CommandError(str(error)) from error
        row = {
            "key": text.reveal(),
            "id": key.id,
            "organization": card.slug,
            "permissions": ", ".join(key.permissions),
        }
        output.show(self.stdout, [row], as_json=options["as_json"])
