"""The Tokens port: what a run may spend, in part handed to other agents."""

import logging
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from django.db import DatabaseError

from agents import selectors
from agents.adapters.meter import RunMeter
from agents.errors import AgentNotFound
from billing import tokens
from billing.errors import BillingError, InsufficientFunds, InvalidTokenTerms
from billing.tokens import Agent, Minted, Permit, Terms
from skills.sdk import BudgetExhausted, Secret, ToolFailed
from tenants.caller import Caller
from tenants.errors import TenantsUnavailable
from tenants.ids import uuid7
from tenants.threads import answered

_log = logging.getLogger(__name__)


class RunTokens:
    """Mints tokens out of the run's own hold; they end with the run at the latest.

    `owner` is the agent's organization, by whose names audiences are told; `payer_id` the organization that pays for
    the run, `permit` the token that says so, if one does.
    """

    def __init__(self, *, owner: Caller, payer_id: UUID, permit: Permit | None, meter: RunMeter) -> None:
        self._owner = owner
        self._payer_id = payer_id
        self._permit = permit
        self._meter = meter
        self._has_minted = False

    async def mint(
        self, *, cap_nanos: int, audience: str | Sequence[str], lifetime: timedelta, redelegate: bool = False
    ) -> Secret:
        """A token of what this run may spend, bound to the agents at `audience`."""
        if not self._meter.charged:
            raise ToolFailed("A run with a test key moves no money, so it can pay nobody.")
        agents = [await self._agent(address) for address in ([audience] if isinstance(audience, str) else audience)]
        terms = Terms(cap_nanos=cap_nanos, lifetime=lifetime, audience=agents, redelegate=redelegate)
        try:
            await self._meter.set_aside(cap_nanos)
            minted = await self._minted(terms)
        except InvalidTokenTerms as refused:
            raise ToolFailed(str(refused)) from refused
        except InsufficientFunds as refused:
            raise BudgetExhausted("The balance does not suffice for a payment token.") from refused
        except BillingError as refused:
            raise ToolFailed(str(refused)) from refused
        assert minted.secret is not None
        return Secret(minted.secret.reveal())

    async def _minted(self, terms: Terms) -> Minted:
        self._has_minted = True
        try:
            return await answered(
                tokens.mint_in_run,
                id=uuid7(),
                organization_id=self._payer_id,
                run_id=self._meter.hold_id,
                parent=self._permit,
                terms=terms,
            )
        except BaseException:  # whatever stopped it, a cancelled wait too: nothing was taken
            self._meter.put_back(terms.cap_nanos)
            raise

    async def _agent(self, address: str) -> Agent:
        try:
            found = await selectors.published(self._owner, address)
        except AgentNotFound:
            raise ToolFailed(f"There is no agent at {address!r} that a payment token could be bound to.") from None
        return Agent(id=found.agent_id, name=address)

    async def close(self) -> None:
        """The run is over, and its tokens with it; a sweep ends those that cannot be ended now."""
        if not self._has_minted:
            return
        try:
            await answered(tokens.close_of_run, self._meter.hold_id, organization_id=self._payer_id)
        except (DatabaseError, TenantsUnavailable) as error:
            _log.warning("The payment tokens of the run %s are left to the sweep: %s", self._meter.hold_id, error)
