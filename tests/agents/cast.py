"""What the tests of runs have in common: callers, requests, scripted agents, and what they came to."""

import asyncio
from typing import Any
from uuid import uuid4

from agents.adapters.run_writer import run_writer
from agents.models import Agent, Run
from agents.runtime.events import Delta, Event
from agents.services.drafts import SkillChoice
from agents.services.runs import RunRequest, RunStream, active_runs, start_run
from billing import ledger
from billing.ledger import Balance
from tenants.caller import Caller
from tenants.context import organization_context
from tenants.ids import uuid7
from tenants.models import Organization
from tenants.permissions import AGENTS_WRITE, CHAT_WRITE
from tenants.threads import in_thread
from tests import make

CREDIT = 1_000_000_000


def caller_of(organization: Organization, **fields: Any) -> Caller:
    """Somebody with a key of the organization that may run and edit its agents."""
    known = {"permissions": frozenset({CHAT_WRITE, AGENTS_WRITE}), **fields}
    return Caller(organization_id=organization.id, organization_slug=organization.slug, **known)


def ask(text: str = "hello", **fields: Any) -> RunRequest:
    """A request that says this."""
    said = {"messages": [{"role": "user", "content": text}], **fields}
    return RunRequest(run_id=uuid7(), request_id=f"req-{uuid4()}", **said)


def script(*rules: dict[str, Any], **options: Any) -> SkillChoice:
    """The scripted model with these rules."""
    return SkillChoice(skill="scripted", options={"rules": list(rules), **options})


async def hosted(organization: Organization, *skills: SkillChoice, **fields: Any) -> Agent:
    """A published agent of the organization."""
    return await in_thread(make.published, organization, skills=list(skills), **fields)


async def funded(organization: Organization, nanos: int = CREDIT) -> Organization:
    """The organization with so much in its wallet."""
    return await in_thread(make.wallet, organization, nanos)


async def converse(caller: Caller, agent: Agent | str, request: RunRequest | None = None) -> tuple[str, RunStream]:
    """Run to the end: what was said, and the stream with its receipt."""
    address = agent if isinstance(agent, str) else agent.slug
    stream = await start_run(caller=caller, address=address, request=request or ask())
    return said([event async for event in stream]), stream


def said(events: list[Event]) -> str:
    """The text of the first choice."""
    return "".join(event.text for event in events if isinstance(event, Delta) and event.choice == 0)


async def balance(organization: Organization) -> Balance:
    """The organization's wallet."""
    return await in_thread(ledger.balance, organization.id)


async def settled(within_s: float = 5) -> None:
    """Wait until no run is in progress."""
    async with asyncio.timeout(within_s):
        while active_runs():  # noqa: ASYNC110 - nobody outside of a run is told of its end
            await asyncio.sleep(0.005)


async def row_of(organization: Organization, stream: RunStream) -> Run:
    """The run's row, once it is written."""
    assert await in_thread(run_writer().flush, timeout_s=10)
    return await in_thread(_row, organization, stream)


def _row(organization: Organization, stream: RunStream) -> Run:
    with organization_context(organization.id):
        return Run.objects.get(id=stream.run_id)
