"""How commands name an organization."""

from django.core.management.base import CommandError, CommandParser

from tenants import selectors
from tenants.context import platform_context
from tenants.selectors import OrganizationCard


def add_organization_option(parser: CommandParser) -> None:
    """Let a command say for whom it works."""
    parser.add_argument("--organization", required=True, metavar="SLUG", help="For which organization.")


def organization(slug: str) -> OrganizationCard:
    """Return the organization a command names; CommandError when there is none."""
    with platform_context(reason="manage.py looks up an organization"):
        card = selectors.organization_by_slug(slug)
    if card is None:
        raise CommandError(f"There is no organization {slug}: create it with manage.py create_organization {slug}.")
    return card
