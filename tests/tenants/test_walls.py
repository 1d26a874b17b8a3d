"""What one organization can see of another: nothing, whatever is tried."""

from tenants.context import organization_context
from tenants.models import Organization


def test_an_organization_sees_its_own_row_only(acme: Organization, globex: Organization) -> None:
    with organization_context(acme.id):
        seen = set(Organization.objects.values_list("id", flat=True))

    assert seen == {acme.id}
