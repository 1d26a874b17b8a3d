"""Gives the platform under test an organization with money, a key, agents per model: free, priced, with a budget."""

import argparse
import json
import sys
from datetime import timedelta
from uuid import UUID

import django

django.setup()

from agents.services import publishing  # noqa: E402  # Django must be set up first
from billing import budgets, tokens, top_ups  # noqa: E402
from tenants.context import organization_context, platform_context  # noqa: E402
from tenants.ids import uuid7  # noqa: E402
from tenants.secret import Secret  # noqa: E402
from tenants.services import create_organization, issue_key, store_credential  # noqa: E402

TOP_UP_NANOS = 100 * 10**9
"""Little enough to need nobody's second look."""
PRICE_PER_RUN_NANOS = 1_000


def credit(organization_id: UUID) -> None:
    """As much money as one person may enter."""
    top_ups.enter(
        id=uuid7(), organization_id=organization_id, amount_nanos=TOP_UP_NANOS, reference="bench", actor="bench"
    )


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
            limited = publishing.create_agent(
                slug=f"limited-{model}", name=model, model=f"openai/{model}", price_per_run_nanos=PRICE_PER_RUN_NANOS
            )
            publishing.publish(limited)
            _limit("agent", str(limited.id))
        _, key = issue_key(organization_id=organization.id, name="bench")
    sys.stdout.write(json.dumps({"api_key": key.reveal(), "payment_token": _payment_token(organization.id)}))


def _limit(scope: str, subject: str) -> None:
    """A hard budget that will not be used up."""
    budgets.set_budget(
        id=uuid7(),
        scope=scope,
        subject=subject,
        period="day",
        time_zone="UTC",
        limit_nanos=TOP_UP_NANOS,
        mode="hard",
        actor="bench",
    )


def _payment_token(organization_id: UUID) -> str:
    """A token whose cap is set aside, within another that is a limit on the wallet."""
    terms = tokens.Terms(cap_nanos=TOP_UP_NANOS // 4, lifetime=timedelta(hours=12), redelegate=True)
    root = tokens.mint(id=uuid7(), organization_id=organization_id, terms=terms, actor="bench")
    child = tokens.delegate(id=uuid7(), parent=root.permit, terms=tokens.Terms(cap_nanos=TOP_UP_NANOS // 8))
    assert child.secret is not None
    return child.secret.reveal()


if __name__ == "__main__":
    main()
