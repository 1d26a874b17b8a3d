"""What a run's models cost, pinned before it begins: also by whose credential pays their providers."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from agents.adapters.secrets import OwnersSecrets
from agents.runtime.agent import BaseAgent
from agents.runtime.answering import Candidate
from agents.selectors import Resolved
from billing import pricing
from billing.pricing import AgentPrice, PriceTerms
from skills.sdk import ModelUnauthorized, NotAvailable


@dataclass(frozen=True, kw_only=True)
class RunTerms:
    """The price of the agent's own model, and of those that may answer in its place."""

    own: PriceTerms
    fallbacks: Mapping[Candidate, PriceTerms]

    @property
    def by_model(self) -> Mapping[str, PriceTerms]:
        """The fallbacks' prices by the names of their models."""
        return {candidate.model: terms for candidate, terms in self.fallbacks.items()}


@dataclass(frozen=True, kw_only=True)
class _Payment:
    platform_credential: bool
    unpriced_allowed: bool


async def run_terms(payer_id: UUID, version: Resolved, agent: BaseAgent, secrets: OwnersSecrets) -> RunTerms:
    """Price every model that may answer. Raises PriceUnavailable when one of them has no price.

    The books of a run know one who pays the provider. So a fallback is left out whose provider somebody else would pay
    than that of the agent's own model: the platform here, the owner there.
    """
    own = Candidate(model=version.model, skill=agent.model_skill)
    payment = await _payment(own, secrets)
    priced = {}
    for candidate in agent.fallbacks:
        try:
            its = await _payment(candidate, secrets)
        except ModelUnauthorized:
            continue
        if its.platform_credential == payment.platform_credential:
            priced[candidate] = await _priced(candidate, its, payer_id, version)
    return RunTerms(own=await _priced(own, payment, payer_id, version), fallbacks=priced)


async def terms_for_strangers(candidate: Candidate, price: AgentPrice, secrets: OwnersSecrets) -> PriceTerms:
    """What somebody else's run of this model costs at this price. Raises PriceUnavailable and ModelUnauthorized."""
    payment = await _payment(candidate, secrets)
    return await pricing.terms(
        model=candidate.model,
        agent_price=price,
        platform_credential=payment.platform_credential,
        owner_is_payer=False,
        unpriced_allowed=payment.unpriced_allowed,
    )


async def _payment(candidate: Candidate, secrets: OwnersSecrets) -> _Payment:
    provider = candidate.model.partition("/")[0]
    if provider == pricing.FREE_PROVIDER:
        return _Payment(platform_credential=True, unpriced_allowed=False)
    chosen = candidate.skill.options
    reference, base_url = getattr(chosen, "credential", None), getattr(chosen, "base_url", None)
    try:
        # The very look-up of the skill: what is priced here is what it will send.
        opened = await secrets.open(provider, reference=reference, base_url=base_url)
    except NotAvailable:
        # A server of the owner's own may need none; if this one does, its skill will say so.
        return _Payment(platform_credential=False, unpriced_allowed=False)
    return _Payment(platform_credential=opened.credential.platform, unpriced_allowed=opened.unpriced_allowed)


async def _priced(candidate: Candidate, payment: _Payment, payer_id: UUID, version: Resolved) -> PriceTerms:
    return await pricing.terms(
        model=candidate.model,
        agent_price=version.price,
        platform_credential=payment.platform_credential,
        owner_is_payer=payer_id == version.organization_id,
        unpriced_allowed=payment.unpriced_allowed,
    )
