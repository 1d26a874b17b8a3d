"""The party behind a request, once its credential is known to be good."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who asks, for which organization, and what the credential permits.

    `permissions` are those of the key or, for a signed-in member, of the role. A key with `allowed_agents` reaches only
    those; None means every agent of its organization and every public one. `test_mode` keys reach only scripted models
    and are charged nothing.
    """

    organization_id: UUID
    organization_slug: str
    permissions: frozenset[str]
    key_id: UUID | None = None
    user_id: int | None = None
    is_staff: bool = False
    test_mode: bool = False
    allowed_agents: frozenset[UUID] | None = None
    requests_per_minute: int | None = None
    max_parallel: int | None = None

    def may(self, permission: str) -> bool:
        """Whether the credential carries this permission."""
        return permission in self.permissions
