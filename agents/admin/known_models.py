"""The models that an agent's page suggests."""

from typing import Final

from billing import selectors
from tenants.context import platform_context
from tenants.models import ProviderCredential

SCRIPTED: Final = "scripted/persona"
SUGGESTED_AT_MOST: Final = 300


def known_models() -> list[str]:
    """Models with a price, of providers that the organization or the platform has a credential for."""
    with platform_context(reason="name the providers that the platform has a credential for"):
        providers = set(ProviderCredential.objects.filter(organization=None).values_list("provider", flat=True))
    providers |= set(ProviderCredential.objects.values_list("provider", flat=True))
    priced = selectors.price_table(search="/").order_by("model").values_list("model", flat=True).distinct()
    found = [model for model in priced if model.partition("/")[0] in providers] if providers else []
    return [SCRIPTED, *found[:SUGGESTED_AT_MOST]]
