"""Rows for tests, each through the service that makes it in the product."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import count
from typing import Any
from uuid import uuid4

from agents.models import Agent, Approval, MCPServer, Memory, ToolExecution
from agents.services import approvals, memories, publishing, tool_executions
from agents.services.drafts import SkillChoice
from agents.services.memories import Of
from agents.services.tool_executions import Asked
from billing import budgets, disputes, tokens, top_ups
from billing.models import Budget, Dispute, PaymentToken
from billing.tokens import Terms
from tenants.context import organization_context
from tenants.models import Membership, Organization, User
from tenants.roles import Role
from tenants.services import add_member, create_organization, issue_key
from tests.billing import money

_number = count(1)


def unique(word: str) -> str:
    """A slug nobody else has, in a database that is never emptied."""
    return f"{word.lower().replace(' ', '-')}-{next(_number)}-{uuid4().hex[:8]}"


def organization(name: str = "Acme") -> Organization:
    """An organization of that name with a slug of its own."""
    return create_organization(name=name, slug=unique(name))


def user(*, email: str | None = None, password: str | None = None, **flags: bool) -> User:
    """A person with an address of their own; `flags` are is_staff, is_superuser, is_active."""
    return User.objects.create_user(email or f"{unique('person')}@example.test", password, **flags)


def wallet(organization: Organization, nanos: int) -> Organization:
    """So much more money in the organization's wallet; answers the organization."""
    if nanos:
        id, money = uuid4(), {"organization_id": organization.id, "amount_nanos": nanos}
        if top_ups.enter(id=id, reference="test", actor="test@example.test", **money) == "pending":
            top_ups.decide(id=id, approve=True, actor="second@example.test")
    return organization


def member(organization: Organization, role: Role = Role.DEVELOPER, *, person: User | None = None) -> Membership:
    """A seat in the organization, for a new person unless one is given."""
    with organization_context(organization.id):
        return add_member(organization_id=organization.id, user=person or user(), role=role)


def key(organization: Organization, **options: Any) -> str:
    """The text of a new key of the organization; options are those of `issue_key`."""
    with organization_context(organization.id):
        _, text = issue_key(organization_id=organization.id, **{"name": "test", **options})
    return text.reveal()


def budget(organization: Organization, nanos: int, **terms: Any) -> Budget:
    """A hard budget of so much a day, of the whole organization unless `terms` say else."""
    wanted = {"scope": "organization", "subject": "", "period": "day", "time_zone": "UTC", "mode": "hard", **terms}
    with organization_context(organization.id):
        return budgets.set_budget(id=uuid4(), limit_nanos=nanos, actor="test@example.test", **wanted).budget


def payment_token(organization: Organization, **terms: Any) -> PaymentToken:
    """A payment token of the organization's that may be passed on, for five cents and an hour at first."""
    wanted = Terms(**{"cap_nanos": 50_000_000, "lifetime": timedelta(hours=1), "redelegate": True, **terms})
    minted = tokens.mint(id=uuid4(), organization_id=organization.id, terms=wanted)
    with organization_context(organization.id):
        return PaymentToken.objects.get(id=minted.permit.id)


def dispute(organization: Organization, *, remark: str = "") -> Dispute:
    """A dispute of a charge of $1, which the organization's wallet is given before."""
    charge = money.hold(wallet(organization, 10**9), 10**9)
    money.settle(charge, cost=10**9)
    return disputes.open_dispute(
        id=uuid4(), organization_id=organization.id, charge_id=charge, reason="quality", remark=remark, actor="ann"
    )


def approval(organization: Organization, *, tool: str = "launch") -> Approval:
    """A call of a tool that waits for a member's word."""
    asked = approvals.ask(
        organization_id=organization.id, agent_id=uuid4(), agent_slug="rocket", run_id=uuid4(), tool=tool,
        arguments=f'{{"note": "{tool}"}}', reason=f"For {tool}.", lasts=timedelta(minutes=10),
    )  # fmt: skip
    with organization_context(organization.id):
        return Approval.objects.get(id=asked)


def tool_execution(organization: Organization, *, tool: str = "saw") -> ToolExecution:
    """A call of a tool that waits for a worker, of which there is none."""
    asked = tool_executions.ask(
        Asked(
            organization_id=organization.id, agent_organization_id=organization.id, agent_id=uuid4(),
            agent_slug="workbench", version_id=uuid4(), run_id=uuid4(), call_id="call_1", tool=tool,
            arguments=f'{{"note": "{tool}"}}', caller={}, idempotent=False, timeout_s=60,
        )
    )  # fmt: skip
    with organization_context(organization.id):
        return ToolExecution.objects.get(id=asked)


def memory(organization: Organization, *, text: str = "Likes tea.", end_user: str = "ann") -> Memory:
    """Something that an agent remembers of an end user of the organization's."""
    with organization_context(organization.id):
        kept = memories.save(
            Of(organization_id=organization.id, agent_id=uuid4(), end_user=end_user, kind="fact"),
            text=text, metadata={}, at_most=100, agent_organization_id=organization.id, agent_slug="butler",
        )  # fmt: skip
        return Memory.objects.get(id=kept)


def mcp_server(organization: Organization, *, name: str = "moody", words: str = "Adds.") -> MCPServer:
    """An MCP server that was looked at, of which nothing was approved."""
    seen = [{"name": "add", "description": words, "schema": {"type": "object"}}]
    with organization_context(organization.id):
        return MCPServer.objects.create(
            organization_id=organization.id, name=name, url="https://mcp.example.com/", seen=seen, state="changed",
        )  # fmt: skip


def agent(organization: Organization, *, skills: Sequence[SkillChoice] = (), **fields: Any) -> Agent:
    """A draft of the organization on the scripted model, free unless a price is given."""
    slug = fields.pop("slug", None) or unique("greeter")
    draft = {"name": "Greeter", "model": "scripted/persona", "input_price_pico": 0, "output_price_pico": 0, **fields}
    with organization_context(organization.id):
        return publishing.create_agent(slug=slug, skills=skills, **draft)


def published(organization: Organization, **fields: Any) -> Agent:
    """The same, published."""
    made = agent(organization, **fields)
    with organization_context(organization.id):
        publishing.publish(made)
        return Agent.objects.get(id=made.id)
