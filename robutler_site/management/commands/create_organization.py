"""`manage.py create_organization`: a tenant with its wallet."""

from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from robutler_site import output
from tenants.context import atomic, platform_context
from tenants.services import create_organization


class Command(BaseCommand):
    """Create an organization, its accounts and, on request, its owner's seat."""

    help = "Create an organization with an empty wallet."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="Its name in addresses.")
        parser.add_argument("--name", help="Its name for people (default: the slug, capitalised).")
        parser.add_argument("--owner", metavar="EMAIL", help="Who gets its first seat; must exist.")
        output.add_json_option(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        slug, email = options["slug"], options["owner"]
        with platform_context(reason="manage.py create_organization"), atomic():
            people = get_user_model().objects
            owner = people.filter(email=email.lower()).first() if email else None
            if email and owner is None:
                raise CommandError(f"Nobody has the address {email}: add them under Users in the admin first.")
            try:
                organization = create_organization(name=options["name"] or slug.capitalize(), slug=slug, owner=owner)
            except ValidationError as error:
                raise CommandError(_said(error, slug)) from error
        row = {"id": organization.id, "slug": organization.slug, "name": organization.name}
        output.show(self.stdout, [row], as_json=options["as_json"])


def _said(error: ValidationError, slug: str) -> str:
    problems = [f"{field}: {' '.join(messages)}" for field, messages in error.message_dict.items()]
    if any(problem.code == "invalid" for problem in error.error_dict.get("slug", [])):
        problems = [f"{slug!r} is no slug: write lower-case letters, digits and hyphens, such as acme-labs."]
    return " ".join(problems)
