"""The party behind a request, once its credential is known to be good."""

from dataclasses import dataclass, field
from uuid import UUID

from tenants.limits import CallerLimits
from tenants.networks import Network


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who asks, for which organization, and what the credential permits.

    `permissions` are those of the key or, for a signed-in member, of the role. A key with `allowed_agents` reaches only
    those; None means every agent of its organization and every public one. It is accepted from `allowed_networks`,
    with None from everywhere. `test_mode` keys reach only scripted models and are charged nothing.
    """

    organization_id: UUID
    organization_slug: str
    permissions: frozenset[str]
    key_id: UUID | None = None
    user_id: int | None = None
    is_staff: bool = False
    test_mode: bool = False
    allowed_agents: frozenset[UUID] | None = None
    allowed_networks: tuple[Network, ...] | None = None
    limits: CallerLimits = field(default_factory=CallerLimits)

    def may(self, permission: str) -> bool:
        """Whether the credential carries this permission."""
        return permission in self.permissions
