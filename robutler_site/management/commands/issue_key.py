"""`manage.py issue_key`: an API key, shown this once."""

from argparse import ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from robutler_site import addressing, output
from tenants.context import organization_context, platform_context
from tenants.errors import InvalidNetwork, PermissionMissing
from tenants.limits import KEY, NAMES, Limits
from tenants.permissions import KEY_PERMISSIONS
from tenants.services import issue_key, set_limits


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
        parser.add_argument(
            "--network",
            action="append",
            metavar="CIDR",
            help="Where it may be used from, such as 203.0.113.0/24; may be given several times (default: everywhere).",
        )
        parser.add_argument(
            "--limit",
            action="append",
            type=_limit,
            default=[],
            metavar="NAME=NUMBER",
            help=f"A limit instead of the platform's, also a higher one: {', '.join(NAMES)}.",
        )
        output.add_json_option(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        card = addressing.organization(options["organization"])
        chosen = {"permissions": options["permission"]} if options["permission"] else {}
        with organization_context(card.id):
            try:
                key, text = issue_key(
                    organization_id=card.id,
                    name=options["name"],
                    test_mode=options["test_mode"],
                    allowed_networks=options["network"],
                    **chosen,
                )
            except (PermissionMissing, InvalidNetwork) as error:
                raise CommandError(str(error)) from error
        if options["limit"]:
            with platform_context(reason="the limits of a new key"):
                limits = Limits(**dict(options["limit"]))
                set_limits(organization_id=card.id, kind=KEY, subject=str(key.id), limits=limits)
        row = {
            "key": text.reveal(),
            "id": key.id,
            "organization": card.slug,
            "permissions": ", ".join(key.permissions),
        }
        output.show(self.stdout, [row], as_json=options["as_json"])


def _limit(text: str) -> tuple[str, int]:
    name, _, number = text.partition("=")
    if name not in NAMES or not number.isdecimal() or not int(number):
        raise ArgumentTypeError(f"write one of {', '.join(NAMES)}, then = and a number, not {text!r}")
    return name, int(number)
