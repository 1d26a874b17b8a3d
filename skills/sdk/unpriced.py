"""What providers bill otherwise than by the published prices, and on whose account it may be asked for."""

from skills.sdk.context import RunContext
from skills.sdk.errors import ModelRejected
from skills.sdk.model import ModelRequest

STANDARD = frozenset(("auto", "default", "standard", "standard_only"))
"""The tiers of service that are billed at the prices that are published."""


def check_unpriced(ctx: RunContext, request: ModelRequest, *, platform_credential: bool) -> None:
    """Raise ModelRejected for what has prices of its own, unless whoever asks for it pays the provider themselves.

    Runs are priced by the token, at the standard tier: on anybody else's account a faster one, or a search of the web,
    would be paid for by nobody, and a slower one by too much.
    """
    if not platform_credential and ctx.caller.organization_id == ctx.organization_id:
        return
    tier = request.parameters.get("service_tier")
    if tier is not None and tier not in STANDARD:
        raise _not_yours(
            "service_tier", f"The service tier {str(tier)[:32]!r} is", "Leave it out, or ask for 'default'."
        )
    if request.parameters.get("web_search_options") is not None:
        raise _not_yours("web_search_options", "Searching the web is", "Leave it out.")


def _not_yours(parameter: str, what: str, advice: str) -> ModelRejected:
    return ModelRejected(
        f"{what} for an agent's own organization, on a key of its own. {advice}",
        parameter=parameter,
        code="unsupported_parameter",
    )
