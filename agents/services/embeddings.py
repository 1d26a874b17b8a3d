"""Starting embeddings: a model of the organization's own choice, without an agent around it."""

import time
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from django.db import OperationalError

from agents.adapters.http import SafeHttp
from agents.adapters.meter import RunMeter
from agents.adapters.secrets import OwnersSecrets
from agents.errors import AgentsUnavailable
from agents.runtime import embedding
from agents.services.channel import Channel
from agents.services.payment import Payer, payer_for
from agents.services.reservation import Reservation
from agents.services.run_record import RunRecord
from agents.services.run_stream import RunStream
from agents.services.run_task import RunTask
from agents.services.running import running
from agents.services.scopes import run_caller
from billing import pricing
from billing.pricing import AgentPrice, PriceTerms
from skills import registry
from skills.sdk import (
    AccessDenied,
    EmbeddingRequest,
    ModelRejected,
    ModelSkill,
    NotAvailable,
    RunContext,
)
from skills.sdk.ports import Absent, Ports
from tenants import permissions
from tenants.caller import Caller
from tenants.secret import Secret

SECONDS = 60.0
"""What an embedding may take; its hold is kept for no longer."""
_FREE = AgentPrice(input_pico=0, output_pico=0)


@dataclass(frozen=True, kw_only=True)
class EmbeddingCall:
    """One request for embeddings. `run_id` is chosen by whoever asks; `request.model` is `provider/model`."""

    run_id: UUID
    request_id: str
    request: EmbeddingRequest
    max_cost_nanos: int | None = None
    payment_token: Secret | None = None
    retry_of: UUID | None = None


async def start_embedding(*, caller: Caller, call: EmbeddingCall) -> RunStream:
    """Reserve what the embedding may cost, then make it; it ends in an Embedded and a Finished.

    The organization's own credential for the model's provider is used, else the platform's. Raises AccessDenied,
    PriceUnavailable, InsufficientFunds, ModelRejected and what else keeps it from beginning; what goes wrong later
    is raised by iterating. Whoever leaves pays all the same: the provider has read the inputs by then.
    """
    async with running().admitted(caller.organization_id):
        run = await _prepared(caller, call)
        run.launch()
    await run.begun()
    return run.stream


async def _prepared(caller: Caller, call: EmbeddingCall) -> RunTask:
    if not caller.may(permissions.CHAT_WRITE):
        raise AccessDenied(f"This key may not use models: it lacks the permission {permissions.CHAT_WRITE}.")
    if caller.allowed_agents is not None:
        raise AccessDenied("This key reaches some agents only, and no model by itself.")
    model = call.request.model
    provider = model.partition("/")[0]
    if caller.test_mode and provider != pricing.FREE_PROVIDER:
        raise AccessDenied("A test key reaches only scripted models; use a live key.")
    payer = await payer_for(caller, call.payment_token, agent_id=None)
    secrets = OwnersSecrets(caller.organization_id)
    try:
        terms = await _terms(provider, model, secrets, owner_is_payer=payer.is_caller)
    except OperationalError as error:
        raise AgentsUnavailable from error
    return _assemble(caller, payer, call, secrets, terms)


async def _terms(provider: str, model: str, secrets: OwnersSecrets, *, owner_is_payer: bool) -> PriceTerms:
    if provider == pricing.FREE_PROVIDER:
        return await pricing.terms(
            model=model,
            agent_price=_FREE,
            platform_credential=True,
            owner_is_payer=owner_is_payer,
            unpriced_allowed=True,
        )
    try:
        opened = await secrets.open(provider)
    except NotAvailable:
        raise ModelRejected(
            f"There is no credential for {provider}. Store one in the console, or ask for another model. "
            "Embeddings are made by a provider's model, such as openai/text-embedding-3-small, not by an agent.",
            parameter="model",
            code="model_not_found",
        ) from None
    platform = opened.credential.platform
    # On its own credential an organization owes the platform's fee alone, and none for what has no price.
    agent_price = AgentPrice() if platform else _FREE
    return await pricing.terms(
        model=model,
        agent_price=agent_price,
        platform_credential=platform,
        owner_is_payer=owner_is_payer,
        unpriced_allowed=opened.unpriced_allowed,
    )


def _assemble(caller: Caller, payer: Payer, call: EmbeddingCall, secrets: OwnersSecrets, terms: PriceTerms) -> RunTask:
    request = call.request
    skill = registry.skill_class(registry.model_skill_for(request.model))()
    assert isinstance(skill, ModelSkill)
    meter = RunMeter(
        hold_id=call.run_id,
        terms=terms,
        model=request.model,
        agent_id="",
        charged=not caller.test_mode,
        most_nanos=payer.most_nanos(call.max_cost_nanos),
    )
    ctx = _context(caller, call, meter, secrets)
    channel = Channel()
    return RunTask(
        work=partial(embedding.run, skill, ctx, request, seconds=SECONDS),
        goes_on_alone=True,
        ctx=ctx,
        meter=meter,
        reservation=Reservation(
            by=payer,
            beneficiary=caller.organization_id,
            agent_id=None,
            reference=request.model,
            key_id=caller.key_id if payer.is_caller else None,
            end_user=(request.end_user or "") if payer.is_caller else "",
            input_bytes=embedding.size_bytes(request),
            max_output_tokens=0,
        ),
        record=_record(caller, payer, call),
        stream=RunStream(run_id=call.run_id, public_name=request.model, created=int(time.time()), channel=channel),
        channel=channel,
    )


def _context(caller: Caller, call: EmbeddingCall, meter: RunMeter, secrets: OwnersSecrets) -> RunContext:
    return RunContext(
        run_id=str(call.run_id),
        request_id=call.request_id,
        agent_id="",
        agent_name="",
        organization_id=str(caller.organization_id),
        caller=run_caller(caller, end_user=call.request.end_user),
        ports=Ports(meter=meter, secrets=secrets, storage=Absent("storage"), http=SafeHttp()),
    )


def _record(caller: Caller, payer: Payer, call: EmbeddingCall) -> RunRecord:
    return RunRecord(
        fixed={
            "id": call.run_id,
            "organization_id": caller.organization_id,
            "agent_organization_id": caller.organization_id,
            "agent_id": None,
            "version_id": None,
            "address": call.request.model[:160],
            "model": call.request.model[:200],
            "key_id": caller.key_id,
            "request_id": call.request_id[:128],
            "retry_of": call.retry_of,
            "test_mode": caller.test_mode,
            **payer.recorded,
        }
    )
