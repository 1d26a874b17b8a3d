"""Starting runs: who may, of what, on whose money."""

import time
from functools import partial
from typing import Any

import msgspec
from django.db import OperationalError

from agents import loader
from agents.adapters.approvals import RunApprovals
from agents.adapters.background import RunBackground
from agents.adapters.http import SafeHttp
from agents.adapters.memory import RowMemory
from agents.adapters.meter import RunMeter
from agents.adapters.secrets import OwnersSecrets
from agents.adapters.storage import RowStorage
from agents.adapters.tokens import RunTokens
from agents.errors import AgentsUnavailable
from agents.runtime import loop, reading
from agents.runtime.agent import BaseAgent
from agents.runtime.whole import whole_text
from agents.selectors import Resolved, published
from agents.services.channel import Channel
from agents.services.other_agents import Asked, OtherAgents
from agents.services.payment import Payer, payer_for
from agents.services.reservation import Reservation
from agents.services.run_record import RunRecord
from agents.services.run_stream import Receipt, RunRequest, RunStream, Watcher
from agents.services.run_task import RunTask
from agents.services.run_terms import RunTerms, run_terms
from agents.services.running import running
from agents.services.scopes import run_caller, scope_of
from billing import pricing
from skills.sdk import AccessDenied, RunContext
from skills.sdk.context import RunCaller, Seen, Waited
from skills.sdk.ports import Ports
from skills.sdk.providers import service_tier_of
from tenants import permissions
from tenants.caller import Caller

__all__ = ["Receipt", "RunRequest", "RunStream", "active_runs", "drain", "prepared", "start_run", "stop_all"]


async def start_run(*, caller: Caller, address: str, request: RunRequest, watcher: Watcher | None = None) -> RunStream:
    """Reserve what the run may cost, then let it go; whatever happens, what it did cost is settled.

    Raises AgentNotFound, AccessDenied, PriceUnavailable, InsufficientFunds and what else keeps a run from beginning.
    What goes wrong later is raised by iterating.
    """
    async with running().admitted(caller.organization_id):
        run = await prepared(caller, address, request)
        run.watchers += [watcher] if watcher is not None else []
        run.launch()
    await run.begun()
    return run.stream


async def prepared(caller: Caller, address: str, request: RunRequest) -> RunTask:
    """A run that could be launched: everything about it is known, nothing of it is reserved."""
    if not caller.may(permissions.CHAT_WRITE):
        raise AccessDenied(f"This key may not run agents: it lacks the permission {permissions.CHAT_WRITE}.")
    version = await published(caller, address)
    _refuse_models(caller, version)
    payer = await payer_for(caller, request.payment_token, agent_id=version.agent_id)
    asked = Asked(caller=caller, version=version, payer=payer, request=request, scope=scope_of(caller, version))
    return await _prepared(asked)


async def _start(asked: Asked) -> RunStream:
    """Start what one run asks of another agent."""
    _refuse_models(asked.caller, asked.version)
    async with running().admitted(asked.caller.organization_id):
        run = await _prepared(asked)
        run.launch()
    await run.begun()
    return run.stream


async def _prepared(asked: Asked) -> RunTask:
    agent = await loader.load(asked.version)
    secrets = OwnersSecrets(asked.version.organization_id)
    try:
        terms = await run_terms(asked.payer.organization_id, asked.version, agent, secrets)
    except OperationalError as error:
        raise AgentsUnavailable from error
    return _assemble(asked, agent, secrets, terms)


def _refuse_models(caller: Caller, version: Resolved) -> None:
    if caller.test_mode and version.model.partition("/")[0] != pricing.FREE_PROVIDER:
        raise AccessDenied("A test key reaches only agents on scripted models; use a live key.")


def active_runs() -> int:
    """How many runs this process has in progress."""
    return len(running())


async def drain(timeout_s: float) -> None:
    """Begin no further run here, let those in progress finish, stop the rest, write everything down."""
    await running().drain(timeout_s=timeout_s)


def stop_all() -> None:
    """Stop every run of this process at once; each is settled and tells its reader."""
    running().stop_all()


def _assemble(asked: Asked, agent: BaseAgent, secrets: OwnersSecrets, terms: RunTerms) -> RunTask:
    caller, version, payer, request = asked.caller, asked.version, asked.payer, asked.request
    public_name = version.address_for(caller.organization_id)
    channel, waited = Channel(), Waited()
    seen = Seen(untrusted=request.origin.untrusted, private=request.origin.private)
    known = run_caller(caller, scope=asked.scope, end_user=request.end_user, conversation_id=request.conversation_id)
    meter = _meter(caller, payer, version, agent, request, terms)
    tokens = _tokens(payer, version, meter)
    others = OtherAgents(asked, agent, tokens=tokens, meter=meter, seen=seen, start=_start)
    ctx = RunContext(
        run_id=str(request.run_id),
        request_id=request.request_id,
        agent_id=agent.id,
        agent_name=agent.name,
        organization_id=agent.organization_id,
        caller=known,
        ports=Ports(
            meter=meter,
            secrets=secrets,
            http=SafeHttp(),
            tokens=tokens,
            agents=others,
            **_of_rows(asked, known, waited),
        ),
        stream=request.stream,
        messages=list(request.messages),
        handed_by=request.origin.handed_by,
        waited=waited,
        seen=seen,
    )
    return RunTask(
        work=partial(
            loop.run,
            agent,
            ctx,
            client_tools=request.client_tools,
            parameters=request.parameters,
            max_output_tokens=request.max_output_tokens,
            fallbacks=tuple(terms.fallbacks),
        ),
        goes_on_alone=agent.on_disconnect == "finish",
        ctx=ctx,
        meter=meter,
        reservation=_reservation(caller, payer, version, agent, request),
        before_settling=tokens.close,
        also_charged=others.charged_nanos,
        record=_record(caller, payer, version, request, public_name),
        stream=RunStream(run_id=request.run_id, public_name=public_name, created=int(time.time()), channel=channel),
        channel=channel,
    )


def _of_rows(asked: Asked, known: RunCaller, waited: Waited) -> dict[str, Any]:
    """The ports that keep what they do in rows."""
    version, run_id, caller_id = asked.version, asked.request.run_id, asked.caller.organization_id
    return {
        "storage": RowStorage(
            caller_id=caller_id, agent_id=version.agent_id, agent_organization_id=version.organization_id
        ),
        "memory": RowMemory(version=version, caller_id=caller_id, end_user=known.end_user),
        "approvals": RunApprovals(
            organization_id=version.organization_id,
            agent_id=version.agent_id,
            agent_slug=version.slug,
            run_id=run_id,
            waited=waited,
        ),
        "background": RunBackground(version=version, run_id=run_id, caller=known, waited=waited),
    }


def _tokens(payer: Payer, version: Resolved, meter: RunMeter) -> RunTokens:
    owner = Caller(
        organization_id=version.organization_id,
        organization_slug=version.organization_slug,
        permissions=frozenset(),
    )
    return RunTokens(owner=owner, payer_id=payer.organization_id, permit=payer.permit, meter=meter)


def _meter(
    caller: Caller, payer: Payer, version: Resolved, agent: BaseAgent, request: RunRequest, terms: RunTerms
) -> RunMeter:
    parameters = agent.parameters(request.parameters)
    return RunMeter(
        hold_id=request.run_id,
        terms=terms.own,
        fallback_terms=terms.by_model,
        model=version.model,
        agent_id=agent.id,
        charged=not caller.test_mode,
        agent=version.address_for(payer.organization_id),
        choices=int(parameters.get("n") or 1),
        service_tier=service_tier_of(parameters.get("service_tier")),
        most_nanos=payer.most_nanos(request.max_cost_nanos, agent.limits.cost_nanos),
    )


def _reservation(caller: Caller, payer: Payer, version: Resolved, agent: BaseAgent, request: RunRequest) -> Reservation:
    limits = [limit for limit in (request.max_output_tokens, agent.limits.output_tokens) if limit is not None]
    body_bytes = request.body_bytes or len(msgspec.json.encode(request.messages))
    return Reservation(
        by=payer,
        beneficiary=version.organization_id,
        agent_id=version.agent_id,
        reference=version.address_for(payer.organization_id),
        key_id=caller.key_id if payer.is_caller else None,
        end_user=(request.end_user or "") if payer.is_caller else "",
        input_bytes=body_bytes + reading.beyond_bytes(request.messages) + _own_bytes(agent),
        max_output_tokens=min(limits, default=None),
        must_hold=not caller.test_mode and any(tool.pricing for tool in agent.tools.values()),
    )


def _own_bytes(agent: BaseAgent) -> int:
    """What the agent itself adds to every call: its instructions and its tools, as they are sent."""
    message = {"role": "system", "content": agent.instructions}
    tools = [tool.definition for tool in agent.tools.values()]
    instructed = len(msgspec.json.encode(message)) + 1 if agent.instructions else 0
    return instructed + len(msgspec.json.encode(tools))


def _record(caller: Caller, payer: Payer, version: Resolved, request: RunRequest, public_name: str) -> RunRecord:
    return RunRecord(
        fixed={
            "id": request.run_id,
            "organization_id": caller.organization_id,
            "agent_organization_id": version.organization_id,
            "agent_id": version.agent_id,
            "version_id": version.version_id,
            "address": public_name,
            "model": version.model,
            "key_id": caller.key_id,
            "request_id": whole_text(request.request_id)[:128],
            "retry_of": request.retry_of,
            "parent_id": request.origin.parent,
            "handed_by": request.origin.handed_by or "",
            "test_mode": caller.test_mode,
            **payer.recorded,
        },
        messages=request.messages if version.keeps_content else None,
        end_user=request.end_user or "",
        conversation_id=request.conversation_id or "",
    )
