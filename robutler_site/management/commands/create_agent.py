"""`manage.py create_agent`: an agent, published at once unless told otherwise."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from agents.errors import InvalidDraft
from agents.models import Agent
from agents.services import publishing
from agents.services.drafts import SkillChoice
from robutler_site import addressing, output
from tenants.context import atomic, organization_context


class Command(BaseCommand):
    """Create an agent for an organization."""

    help = "Create an agent and publish it."

    def add_arguments(self, parser: CommandParser) -> None:
        addressing.add_organization_option(parser)
        parser.add_argument("slug", help="Its name in addresses.")
        parser.add_argument("--name", help="Its name for people (default: the slug, capitalised).")
        parser.add_argument("--model", required=True, help="provider/model, such as openai/gpt-4o-mini.")
        parser.add_argument("--instructions", default="", help="What it is told before anything else.")
        parser.add_argument("--skill", action="append", default=[], metavar="NAME", help="May be given several times.")
        parser.add_argument("--price-per-run-nanos", type=int, default=0, help="Price of a run in nanodollars.")
        parser.add_argument("--public", action="store_true", help="Let every organization find and call it.")
        parser.add_argument("--draft", action="store_true", help="Do not publish it yet.")
        output.add_json_option(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        card = addressing.organization(options["organization"])
        with organization_context(card.id), atomic():
            try:
                agent = publishing.create_agent(
                    slug=options["slug"],
                    name=options["name"] or options["slug"].capitalize(),
                    model=options["model"],
                    instructions=options["instructions"],
                    visibility="public" if options["public"] else "private",
                    price_per_run_nanos=options["price_per_run_nanos"],
                    skills=[SkillChoice(skill=skill) for skill in options["skill"]],
                )
                version = None if options["draft"] else publishing.publish(agent)
            except InvalidDraft as error:
                if Agent.objects.filter(slug=options["slug"]).exists():
                    raise CommandError(
                        f"{card.slug} has an agent {options['slug']} already: choose another slug."
                    ) from None
                raise CommandError(str(error)) from error
        row = {
            "id": agent.id,
            "address": f"{card.slug}/{agent.slug}",
            "version": version.number if version else None,
        }
        output.show(self.stdout, [row], as_json=options["as_json"])
