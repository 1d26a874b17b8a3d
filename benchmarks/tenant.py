"""Gives the platform under test an organization with money, a key, and two agents per model, one of them free."""

import argparse
import json
import sys
from uuid import UUID

import django

django.setup()

from agents.services import publishing  # noqa: E402  # Django must be set up first
from billing import top_ups  # noqa: E402
from tenants.context import organization_context, platform_context  # noqa: E402
from tenants.ids import uuid7  # noqa: E402
from tenants.secret import Secret  # noqa: E402
from tenants.services import create_organization, issue_key, store_credential  # noqa: E402

TOP_UP_NANOS = 100 * 10**9
"""Little enough to need nobody's second look."""
PRICE_PER_RUN_NANOS = 1_000


def credit(organization_id: UUID) -> None:
    """Much money, which takes two people."""
    id = uuid7()
    top_ups.enter(id=id, organization_id=organization_id, amount_nanos=TOP_UP_NANOS, reference="bench", actor="one")
    top_ups.decide(id=id, approve=True, actor="another")


def main() -> None:
    """Create it all and print the key."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("base_url")
    parser.add_argument("models", nargs="+")
    asked = parser.parse_args()
    organization = create_organization(name="Bench", slug="bench")
    credit(organization.id)
    with platform_context(reason="benchmark"):
        store_credential(
            organization_id=None,
            provider="openai",
            secret=Secret("sk-benchmark"),
            base_url=asked.base_url,
            unpriced_allowed=True,
        )
    with organization_context(organization.id):
        for model in asked.models:
            agent = publishing.create_agent(
                slug=model, name=model, model=f"openai/{model}", price_per_run_nanos=PRICE_PER_RUN_NANOS
            )
            publishing.publish(agent)
            free = publishing.create_agent(
                slug=f"free-{model}", name=model, model=f"openai/{model}", input_price_pico=0, output_price_pico=0
            )
            publishing.publish(free)
        _, key = issue_key(organization_id=organization.id, name="bench")
    sys.stdout.write(json.dumps({"api_key": key.reveal()}))


if __name__ == "__main__":
    main()
