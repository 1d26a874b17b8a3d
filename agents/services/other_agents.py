"""The Agents port: other agents, called for an answer, or given the conversation."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from django.conf import settings

from agents.adapters.meter import RunMeter
from agents.adapters.tokens import RunTokens
from agents.errors import AgentNotFound, AgentsError
from agents.runtime.agent import BaseAgent
from agents.runtime.events import Delta, Event, Finished
from agents.runtime.scopes import wider
from agents.selectors import Resolved, published
from agents.services.descriptions import description_of
from agents.services.payment import Payer, payer_for
from agents.services.run_stream import Origin, RunRequest, RunStream
from agents.services.scopes import scope_of
from billing.errors import BillingError
from skills.sdk import AgentCard, BudgetExhausted, CallEnded, Scope, ToolFailed
from skills.sdk.context import Seen
from tenants.caller import Caller
from tenants.errors import TenantsUnavailable
from tenants.ids import uuid7
from tenants.permissions import CHAT_WRITE
from tenants.secret import Secret

TOKEN_LIFETIME: Final = timedelta(hours=1)
"""A token that a run hands out ends with it; this is for runs whose process was killed."""
REFUSED: Final = (AgentsError, BillingError, TenantsUnavailable)
"""What keeps another's run from beginning, and is no fault of the agent's that asks for it."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One run, as it is asked for: by whom, of which agent, at whose cost, and how much its caller may there."""

    caller: Caller
    version: Resolved
    payer: Payer
    request: RunRequest
    scope: Scope


class OtherAgents:
    """Other agents, as one run reaches them: those that its own agent's organization may call."""

    def __init__(
        self,
        asked: Asked,
        agent: BaseAgent,
        *,
        tokens: RunTokens,
        meter: RunMeter,
        seen: Seen,
        start: Callable[[Asked], Awaitable[RunStream]],
    ) -> None:
        self._asked = asked
        self._agent = agent
        self._tokens = tokens
        self._meter = meter
        self._seen = seen
        self._start = start
        self._owner = Caller(
            organization_id=asked.version.organization_id,
            organization_slug=asked.version.organization_slug,
            permissions=frozenset({CHAT_WRITE}),
            test_mode=asked.caller.test_mode,
        )
        self._charged_nanos = 0

    def charged_nanos(self) -> int:
        """What was charged by those to whom the conversation was passed on, and by those to whom they did."""
        return self._charged_nanos

    async def resolve(self, address: str) -> AgentCard:
        """What may be known of an agent."""
        version = await self._reached(address)
        told = await description_of(version, caller=self._owner)
        return AgentCard(
            address=address,
            name=version.name,
            description=version.description,
            skills=told.skills,
            tools=told.tools,
            price_nanos=told.price.per_run_nanos or 0,
        )

    async def call(
        self, address: str, messages: Sequence[Mapping[str, Any]], *, cap_nanos: int, may_hire: Sequence[str] = ()
    ) -> AsyncGenerator[str | CallEnded]:
        """What another agent answers to these messages, and last how its run ended."""
        version = await self._reached(address)
        if version.agent_id == self._asked.version.agent_id:
            raise ToolFailed("An agent does not call itself.")
        origin = self._asked.request.origin
        if origin.calls >= settings.ROBUTLER.payment_token_depth:
            raise ToolFailed(f"Agents have called one another {origin.calls} times; answer with what there is.")
        request = RunRequest(
            run_id=uuid7(),
            request_id=self._asked.request.request_id,
            messages=[dict(message) for message in messages],
            stream=True,
            max_cost_nanos=None if cap_nanos else 0,
            payment_token=await self._token(address, cap_nanos, may_hire),
            origin=Origin(parent=self._asked.request.run_id, calls=origin.calls + 1, untrusted=self._seen.untrusted),
        )
        try:
            async with aclosing(self._heard(await self._called(version, request))) as heard:
                async for piece in heard:
                    yield piece
        except REFUSED as error:
            raise ToolFailed(f"{version.name} could not answer: {error}") from error

    async def hand_off(self, address: str, *, reason: str = "") -> AsyncGenerator[Event]:
        """What another agent says to this run's caller, in this one's place."""
        asked = self._asked
        origin = asked.request.origin
        if origin.hops >= self._agent.limits.hops:
            raise ToolFailed(
                f"The conversation was passed on {origin.hops} times, which is as often as it may be. "
                "Answer it yourself, as well as you can."
            )
        version = await self._reached(address)
        if version.agent_id == asked.version.agent_id:
            raise ToolFailed("The conversation is yours already; answer it.")
        note = {"role": "system", "content": f"{self._agent.name} passed this conversation on to you. {reason}".strip()}
        request = replace(
            asked.request,
            run_id=uuid7(),
            messages=[*asked.request.messages, note],
            parameters={name: value for name, value in asked.request.parameters.items() if name != "n"},
            max_cost_nanos=self._meter.left_nanos,
            payment_token=None,
            retry_of=None,
            body_bytes=0,
            origin=Origin(
                parent=asked.request.run_id,
                calls=origin.calls,
                hops=origin.hops + 1,
                handed_by=self._agent.name,
                untrusted=self._seen.untrusted,
                private=self._seen.private,
            ),
        )
        scope = wider(asked.scope, scope_of(asked.caller, version))
        async with aclosing(await self._passed(version, request, scope)) as stream:
            try:
                async for event in stream:
                    yield event
                    for further in stream.ready():
                        yield further
            finally:  # one that broke off may have to be paid for as well
                self._charged_nanos += stream.receipt.charged_nanos if stream.receipt is not None else 0

    async def _reached(self, address: str) -> Resolved:
        try:
            return await published(self._owner, address)
        except AgentNotFound:
            raise ToolFailed(f"There is no agent at {address[:200]!r} that you could reach.") from None
        except REFUSED as error:
            raise ToolFailed(str(error)) from error

    async def _token(self, address: str, cap_nanos: int, may_hire: Sequence[str]) -> Secret | None:
        if not cap_nanos or not self._meter.charged:
            return None
        audience = [address, *may_hire]
        minted = await self._tokens.mint(
            cap_nanos=cap_nanos, audience=audience, lifetime=TOKEN_LIFETIME, redelegate=bool(may_hire)
        )
        return Secret(minted.reveal())

    async def _called(self, version: Resolved, request: RunRequest) -> RunStream:
        payer = await payer_for(self._owner, request.payment_token, agent_id=version.agent_id)
        return await self._start(Asked(caller=self._owner, version=version, payer=payer, request=request, scope="all"))

    async def _passed(self, version: Resolved, request: RunRequest, scope: Scope) -> RunStream:
        asked = self._asked
        try:
            if asked.payer.permit is not None and version.organization_id != asked.version.organization_id:
                asked.payer.permit.require_audience(version.agent_id)
            return await self._start(
                Asked(caller=asked.caller, version=version, payer=asked.payer, request=request, scope=scope)
            )
        except REFUSED as error:
            raise ToolFailed(f"{version.name} cannot take the conversation over: {error}") from error

    async def _heard(self, stream: RunStream) -> AsyncGenerator[str | CallEnded]:
        finished: Finished | None = None
        async with aclosing(stream) as run:
            async for event in run:
                match event:
                    case Delta(choice=0) if event.text:
                        yield event.text
                    case Finished():
                        finished = event
            receipt = run.receipt
        if finished is None or receipt is None:
            raise BudgetExhausted("The other agent's run was cut off.")
        yield CallEnded(
            run_id=str(stream.run_id),
            finish_reason=finished.reasons.get(0, "stop"),
            charged_nanos=receipt.charged_nanos,
        )
