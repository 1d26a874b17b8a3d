"""Names of agents in addresses; those that belong to the platform are the same for organizations."""

from tenants.slugs import RESERVED

__all__ = ["RESERVED", "check_slug"]


def check_slug(slug: str) -> dict[str, str]:
    """What is wrong with a slug besides its form, by field name."""
    if slug in RESERVED:
        return {"slug": f"The address /{slug} belongs to the platform; choose another."}
    return {}
