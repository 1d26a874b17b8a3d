"""Names in addresses that belong to the platform and can be no agent's."""

RESERVED = frozenset(
    {
        "v1", "v2", "api", "admin", "agents", "chat", "models", "health", "ready", "live", "metrics", "stats", "static",
        "media", "ws", "accounts", "docs", "openapi.json", "favicon.ico", ".well-known", "billing", "settings",
        "discover", "console", "info", "completions", "uamp",
    }
)  # fmt: skip


def check_slug(slug: str) -> dict[str, str]:
    """What is wrong with a slug besides its form, by field name."""
    if slug in RESERVED:
        return {"slug": f"The address /{slug} belongs to the platform; choose another."}
    return {}
