"""Globex, with one of everything the console shows, and a canary in whatever those things say."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from django.db.models import Model

from billing import top_ups
from billing.models import Account, Statement, Transfer
from tenants.context import organization_context
from tenants.limits import Limits
from tenants.models import AuditEvent, Organization
from tenants.roles import Role
from tenants.secret import Secret
from tenants.services import issue_key, set_limits, store_credential
from tests import make
from tests.admin.cast import ran, run_of
from tests.billing import calendar, payday


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    """An organization and a row of each kind, by the name of the model."""

    organization: Organization
    canary: str
    rows: dict[str, Any]
    version_id: UUID

    def row(self, model: type[Model]) -> Any:
        """The neighbour's row of this model."""
        return self.rows[str(model._meta.model_name)]


def planted() -> Neighbour:
    """A new neighbour."""
    canary = f"canary-{uuid4().hex[:12]}"
    globex = make.wallet(make.organization(f"Globex {canary}"), 0)
    top_ups.enter(
        id=uuid4(), organization_id=globex.id, amount_nanos=10**9, reference=canary, actor=f"{canary}@example.test"
    )
    agent = make.published(globex, slug=canary, name=f"Agent {canary}", instructions=f"Say {canary}")
    seat = make.member(globex, Role.OWNER, person=make.user(email=f"{canary}@example.test"))
    run_id = ran(globex, agent)
    token = make.payment_token(globex, name=canary)
    calendar.close(globex, calendar.JANUARY)
    payday.earn(payday.banked(globex, holder=canary), 20 * 10**9)
    payout = payday.payout_of(payday.approved(globex), globex)
    budget = make.budget(globex, 10**9, scope="end_user", subject=canary)
    with organization_context(globex.id):
        key, _ = issue_key(organization_id=globex.id, name=canary)
        credential = store_credential(
            organization_id=globex.id, provider="openai", label=canary, secret=Secret(f"sk-{canary}")
        )
        rows = {
            "agent": agent,
            "approval": make.approval(globex, tool=canary),
            "toolexecution": make.tool_execution(globex, tool=canary),
            "mcpserver": make.mcp_server(globex, name=canary, words=canary),
            "memory": make.memory(globex, text=canary, end_user=canary),
            "run": run_of(globex, run_id),
            "apikey": key,
            "ratelimit": set_limits(
                organization_id=globex.id, kind="end_user", subject=canary, limits=Limits(requests_per_minute=1)
            ),
            "providercredential": credential,
            "membership": seat,
            "auditevent": AuditEvent.objects.filter(object_label__contains=canary).first(),
            "account": Account.objects.get(organization=globex, kind=Account.Kind.WALLET),
            "budget": budget,
            "dispute": make.dispute(globex, remark=canary),
            "paymenttoken": token,
            "payout": payout,
            "statement": Statement.objects.get(organization=globex),
            "transfer": Transfer.objects.filter(credit_organization=globex).first(),
        }
    assert agent.published_version_id is not None
    return Neighbour(organization=globex, canary=canary, rows=rows, version_id=agent.published_version_id)
