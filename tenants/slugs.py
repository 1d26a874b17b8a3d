"""Names in addresses that belong to the platform: no organization can have one, and no agent."""

from django.core.exceptions import ValidationError

RESERVED = frozenset(
    {
        "v1", "v2", "api", "admin", "agents", "chat", "models", "health", "ready", "live", "metrics", "stats", "static",
        "media", "ws", "accounts", "docs", "openapi.json", "favicon.ico", ".well-known", "billing", "settings",
        "discover", "console", "info", "completions", "uamp",
    }
)  # fmt: skip


def refuse_reserved(slug: str) -> None:
    """Raise ValidationError for a name that nobody can have."""
    if slug in RESERVED:
        raise ValidationError({"slug": f"The address /{slug} belongs to the platform; choose another."})
