"""Payment tokens as they are read: by whoever holds one, by its text; and by the organization that pays."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias
from uuid import UUID

from django.db import connections
from django.db.models import Case, CharField, F, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Now

from billing.errors import TokenExpired, TokenInvalid, TokenNotFound, TokenRevoked, TokenWrongAudience
from billing.models import BudgetWindow, PaymentToken
from tenants import keys
from tenants.context import alias, organization_context, platform_context

State: TypeAlias = Literal["active", "revoked", "closed", "expired", "early", "suspended"]
"""What a token is now: `early` before its time, `suspended` with its organization."""

PREFIX = "rb_pt_"
_LONGEST = 100


@dataclass(frozen=True, kw_only=True)
class Permit:
    """A payment token, and what is left of it. `audience` are the agents whose runs it pays; None for all.

    `hold_id` is what its uses are carved out of; without one, it is a limit on the wallet of `organization_id`.
    """

    id: UUID
    organization_id: UUID
    name: str
    public_id: str
    parent_id: UUID | None
    root_id: UUID
    depth: int
    hold_id: UUID | None
    cap_nanos: int
    held_nanos: int
    spent_nanos: int
    max_per_call_nanos: int | None
    audience: frozenset[UUID] | None
    audience_names: Sequence[str] | None
    redelegate: bool
    not_before: datetime
    expires_at: datetime
    state: State

    @property
    def prefix(self) -> str:
        """What may be said of its text."""
        return f"{PREFIX}{self.public_id}"

    @property
    def available_nanos(self) -> int:
        """What it may still spend, as far as its cap goes; nothing once it has ended."""
        return self.cap_nanos - self.held_nanos - self.spent_nanos if self.state in ("active", "early") else 0

    @property
    def is_funded(self) -> bool:
        """Whether its whole cap is set aside already."""
        return self.hold_id is not None

    @property
    def shown_state(self) -> str:
        """What it is, in one word: one that would pay, were anything left, is exhausted."""
        return "exhausted" if self.state == "active" and self.available_nanos <= 0 else self.state

    def pays_for(self, agent_id: UUID | None) -> bool:
        """Whether a run of this agent, or one of none, is among what it may pay."""
        return self.audience is None or agent_id in self.audience

    def require_active(self) -> None:
        """Raise what keeps it from paying now."""
        match self.state:
            case "active":
                return
            case "expired":
                raise TokenExpired(self.prefix)
            case "revoked" | "closed":
                raise TokenRevoked(self.prefix)
            case "early":
                raise TokenInvalid(self.prefix, "The payment token is not valid yet.")
            case _:
                raise TokenInvalid(self.prefix)

    def require_audience(self, agent_id: UUID | None) -> None:
        """Raise TokenWrongAudience unless it pays for this agent."""
        if not self.pays_for(agent_id):
            raise TokenWrongAudience(self.prefix)


def recognise(text: str) -> Permit:
    """The token with this text, whatever its state. TokenInvalid for all that is none, in the same words for all."""
    public_id = public_id_of(text)
    with connections[alias()].cursor() as cursor:
        cursor.execute("SELECT * FROM billing_token_lookup(%s)", (public_id,))
        found = cursor.fetchone()
        if found is None:
            raise TokenInvalid(f"{PREFIX}{public_id}")
        row = dict(zip((column.name for column in cursor.description), found, strict=True))
    kept, version = bytes(row.pop("digest")), row.pop("pepper_version")
    if not keys.matches(text, kept=kept, pepper_version=version):
        raise TokenInvalid(f"{PREFIX}{public_id}")
    return _permit(row)


def public_id_of(text: str) -> str:
    """The public part of a token's text, told without any I/O; TokenInvalid for whatever has not the form of one."""
    parts = keys.parts_of(text) if len(text) <= _LONGEST else None
    if parts is None or parts[0] != "pt":
        raise TokenInvalid("")
    return parts[1]


def permit_of(token_id: UUID) -> Permit:
    """A token of the current organization; TokenNotFound for those of others, as for absent ones."""
    found = permits_of(PaymentToken.objects.filter(id=token_id))
    if not found:
        raise TokenNotFound
    return found[0]


def of(organization_id: UUID, token_id: UUID) -> Permit:
    """The same of a given organization."""
    with organization_context(organization_id):
        return permit_of(token_id)


def page(
    *, after: UUID | None, limit: int, parent_id: UUID | None = None, status: str | None = None
) -> tuple[Sequence[Permit], bool]:
    """The current organization's tokens after the one called `after`, the latest first; and whether there are more."""
    rows = PaymentToken.objects.order_by("-id")
    if after is not None:
        rows = rows.filter(id__lt=after)
    if parent_id is not None:
        rows = rows.filter(parent_id=parent_id)
    if status is not None:
        rows = rows.filter(status=status)
    found = permits_of(rows[: limit + 1])
    return found[:limit], len(found) > limit


def permits_of(rows: QuerySet[PaymentToken]) -> list[Permit]:
    """These rows with what is left of each, in one look."""
    return [of_row(token) for token in with_amounts(rows)]


def with_amounts(rows: QuerySet[PaymentToken]) -> QuerySet[PaymentToken]:
    """The rows with what is set aside and spent of each, and its state by the database's clock."""
    window = BudgetWindow.objects.filter(budget_id=OuterRef("pk"))
    return rows.select_related("hold").annotate(
        held_of_budget=Subquery(window.values("held")[:1]),
        spent_of_budget=Subquery(window.values("spent")[:1]),
        state=Case(
            When(~Q(organization__status="active"), then=Value("suspended")),
            When(~Q(status=PaymentToken.Status.ACTIVE), then=F("status")),
            When(expires_at__lte=Now(), then=Value("expired")),
            When(not_before__gt=Now(), then=Value("early")),
            default=Value("active"),
            output_field=CharField(),
        ),
    )


def of_row(token: PaymentToken) -> Permit:
    """One row of those."""
    amounts: Any = token
    hold = token.hold
    held = amounts.held_of_budget if hold is None else hold.child_reserved
    spent = amounts.spent_of_budget if hold is None else hold.child_spent
    return Permit(
        id=token.id,
        organization_id=token.organization_id,
        name=token.name,
        public_id=token.public_id,
        parent_id=token.parent_id,
        root_id=token.root_id,
        depth=token.depth,
        hold_id=token.hold_id,
        cap_nanos=token.cap,
        held_nanos=held or 0,
        spent_nanos=spent or 0,
        max_per_call_nanos=token.max_per_call,
        audience=None if token.audience is None else frozenset(token.audience),
        audience_names=token.audience_names,
        redelegate=token.redelegate,
        not_before=token.not_before,
        expires_at=token.expires_at,
        state=amounts.state,
    )


def revoked_among(token_ids: Collection[UUID]) -> set[UUID]:
    """Those of these tokens that were revoked, whoever's they are."""
    with platform_context(reason="look for revoked payment tokens"):
        try:
            revoked = PaymentToken.objects.filter(pk__in=token_ids, status=PaymentToken.Status.REVOKED)
            return set(revoked.values_list("pk", flat=True))
        finally:
            connections[alias()].close()


def _permit(row: dict[str, Any]) -> Permit:
    audience = row.pop("audience")
    return Permit(
        cap_nanos=row.pop("cap"),
        held_nanos=row.pop("held"),
        spent_nanos=row.pop("spent"),
        max_per_call_nanos=row.pop("max_per_call"),
        audience=None if audience is None else frozenset(audience),
        **row,
    )
