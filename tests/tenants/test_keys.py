"""API keys: recognised without a query, worth no more than their maker, and refused once revoked."""

from tenants.models import Organization
from tenants.selectors import caller_for
from tenants.threads import in_thread
from tests import make


async def test_a_key_names_its_organization(acme: Organization) -> None:
    text = await in_thread(make.key, acme)

    caller = await caller_for(text)

    assert (caller.organization_id, caller.organization_slug) == (acme.id, acme.slug)
