"""Which of a provider's tiers of service may be asked for on whose account."""

from skills.sdk.context import RunContext
from skills.sdk.errors import ModelRejected
from skills.sdk.model import ModelRequest

STANDARD = frozenset(("auto", "default", "standard", "standard_only"))
"""What is billed at the prices that are published."""


def check_service_tier(ctx: RunContext, request: ModelRequest, *, platform_credential: bool) -> None:
    """Raise ModelRejected for a tier with prices of its own, unless whoever asks for it pays the provider themselves.

    Runs are priced at the standard tier: on anybody else's account a faster one would be paid for by nobody, and a
    slower one by too much.
    """
    tier = request.parameters.get("service_tier")
    if tier is None or tier in STANDARD:
        return
    if platform_credential or ctx.caller.organization_id != ctx.organization_id:
        raise ModelRejected(
            f"The service tier {str(tier)[:32]!r} is for an agent's own organization, on a key of its own. "
            "Leave it out, or ask for 'default'.",
            parameter="service_tier",
            code="unsupported_parameter",
        )
