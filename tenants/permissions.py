"""What a key may be permitted, and what a seat in an organization allows besides."""

from typing import Final

CHAT_WRITE: Final = "chat:write"
AGENTS_READ: Final = "agents:read"
AGENTS_WRITE: Final = "agents:write"
KEYS_WRITE: Final = "keys:write"
USAGE_READ: Final = "usage:read"
BILLING_READ: Final = "billing:read"
MCP_INVOKE: Final = "mcp:invoke"

BILLING_WRITE: Final = "billing:write"
TOKENS_WRITE: Final = "tokens:write"
"""Make payment tokens: whoever is handed one spends the organization's money, within its cap."""

KEY_PERMISSIONS: Final = frozenset(
    {
        *(CHAT_WRITE, AGENTS_READ, AGENTS_WRITE, KEYS_WRITE, USAGE_READ, BILLING_READ, BILLING_WRITE, TOKENS_WRITE),
        MCP_INVOKE,
    }
)

# These are exercised by people at the console; no key carries them.
MEMBERS_WRITE: Final = "members:write"
CREDENTIALS_WRITE: Final = "credentials:write"
AUDIT_READ: Final = "audit:read"
LIMITS_WRITE: Final = "limits:write"
ORGANIZATION_WRITE: Final = "organization:write"

ALL_PERMISSIONS: Final = KEY_PERMISSIONS | {
    MEMBERS_WRITE,
    CREDENTIALS_WRITE,
    AUDIT_READ,
    LIMITS_WRITE,
    ORGANIZATION_WRITE,
}
