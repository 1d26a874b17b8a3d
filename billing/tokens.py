"""Payment tokens: capped, expiring permits to spend. Minted, delegated, revoked; shown once and kept as a digest."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID

from django.conf import settings
from django.db import connections

from billing.errors import (
    HoldConflict,
    InsufficientFunds,
    InvalidTokenTerms,
    NoWallet,
    TokenCapExceeded,
    TokenDepthExceeded,
    TokenExpired,
    TokenInvalid,
    TokenNotFound,
    TokenRevoked,
    TokenWrongAudience,
    WalletFrozen,
)
from billing.models import PaymentToken
from billing.permits import (
    PREFIX,
    Permit,
    State,
    of,
    of_row,
    page,
    permit_of,
    permits_of,
    public_id_of,
    recognise,
    revoked_among,
    with_amounts,
)
from billing.rating import MOST_NANOS
from tenants import audit, keys
from tenants.context import alias, atomic, in_platform, organization_context, platform_context
from tenants.secret import Secret

__all__ = [
    "MOST_AGENTS", "PREFIX", "Agent", "Minted", "Permit", "State", "Terms", "close", "close_of_run", "delegate",
    "expire_overdue", "mint", "mint_in_run", "of", "of_row", "page", "permit_of", "permits_of", "public_id_of",
    "recognise", "revoke", "revoked_among", "tell_exhausted", "with_amounts",
]  # fmt: skip

MOST_LIFETIME: Final = timedelta(days=366)
SWEPT_AT_ONCE: Final = 200
MOST_AGENTS: Final = 100
_MINT: Final = (
    "SELECT * FROM billing_mint_token(%s::uuid, %s::uuid, %s::uuid, %s::uuid, %s, %s, %s, %s, %s, %s::bigint, "
    "%s::bigint, %s::uuid[], %s::text[], %s, %s::interval, %s::interval, %s, %s::uuid, %s)"
)

_How: TypeAlias = Literal["revoked", "closed", "expired"]


@dataclass(frozen=True, kw_only=True)
class Agent:
    """An agent that a token is bound to, and its name as whoever bound it writes it."""

    id: UUID
    name: str


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What a new token is to allow. What a child leaves open, it has from its parent; `lifetime` a root has to say."""

    cap_nanos: int
    lifetime: timedelta | None = None
    starts_in: timedelta = timedelta(0)
    max_per_call_nanos: int | None = None
    audience: Sequence[Agent] | None = None
    redelegate: bool = False
    name: str = ""


@dataclass(frozen=True, kw_only=True)
class Minted:
    """A token, and its text: shown this once, and never again to whoever asks for the same."""

    permit: Permit
    secret: Secret | None


def mint(*, id: UUID, organization_id: UUID, terms: Terms, key_id: UUID | None = None, actor: str = "") -> Minted:
    """A new root token: a limit on the organization's wallet, of which nothing is set aside before it is used.

    Once per `id`. Raises InvalidTokenTerms, HoldConflict.
    """
    if terms.lifetime is None:
        raise InvalidTokenTerms("expires_in_s", "Say how long the token is good for.")
    return _minted(id, organization_id, terms, parent=None, key_id=key_id, actor=actor, is_audited=True)


def delegate(
    *, id: UUID, parent: Permit, terms: Terms, key_id: UUID | None = None, actor: str = "", is_audited: bool = True
) -> Minted:
    """A child of a token: its whole cap is set aside at once, of what is left of the parent.

    Raises TokenRevoked, TokenExpired, TokenDepthExceeded, TokenWrongAudience, TokenCapExceeded, InvalidTokenTerms.
    """
    return _minted(id, parent.organization_id, terms, parent=parent, key_id=key_id, actor=actor, is_audited=is_audited)


def mint_in_run(*, id: UUID, organization_id: UUID, run_id: UUID, parent: Permit | None, terms: Terms) -> Minted:
    """A token of what a run may spend, carved out of its hold; `parent` is the token that pays for the run, if any.

    It ends with the run. Raises what `delegate` raises, and InsufficientFunds.
    """
    return _minted(id, organization_id, terms, parent=parent, run_id=run_id, actor=f"run {run_id}")


def revoke(token_id: UUID, *, organization_id: UUID) -> int:
    """End a token and all below it, and have what they pay for stopped; how many ended. TokenNotFound for others'."""
    return _end(token_id, organization_id, how="revoked")


def close(token_id: UUID, *, organization_id: UUID) -> int:
    """End a token and all below it; what they pay for runs to its end. How many ended."""
    return _end(token_id, organization_id, how="closed")


def tell_exhausted(token_id: UUID, *, organization_id: UUID, required_nanos: int) -> None:
    """Let the organization that pays know, once, that a token did not cover what was asked of it."""
    with organization_context(organization_id), connections[alias()].cursor() as cursor:
        cursor.execute("SELECT billing_tell_of_token(%s, %s)", (token_id, required_nanos))


def close_of_run(run_id: UUID, *, organization_id: UUID) -> None:
    """End the tokens that a run has minted: it is over. Each in a transaction of its own: they may be of many trees."""
    with organization_context(organization_id):
        minted = PaymentToken.objects.filter(run_id=run_id, status=PaymentToken.Status.ACTIVE)
        for token_id in list(minted.values_list("id", flat=True)):
            with connections[alias()].cursor() as cursor:
                cursor.execute("SELECT count(*) FROM billing_end_token(%s, 'closed')", (token_id,))


def expire_overdue() -> int:
    """End tokens whose time is up, or whose run has ended; how many. Each in a transaction of its own."""
    with platform_context(reason="end payment tokens whose time is up"), connections[alias()].cursor() as cursor:
        cursor.execute("SELECT billing_tokens_overdue(%s)", (SWEPT_AT_ONCE,))
        due = [id for (id,) in cursor.fetchall()]
        ended = 0
        for token_id in due:
            cursor.execute("SELECT count(*) FROM billing_end_token(%s, 'expired')", (token_id,))
            ended += cursor.fetchone()[0]
    return ended


def _minted(
    id: UUID,
    organization_id: UUID,
    terms: Terms,
    *,
    parent: Permit | None,
    run_id: UUID | None = None,
    key_id: UUID | None = None,
    actor: str = "",
    is_audited: bool = False,
) -> Minted:
    _require_sense(terms)
    text = keys.generate_as("pt")
    agents = terms.audience
    values: list[Any] = [
        id, organization_id, parent.id if parent else None, run_id, terms.name, public_id_of(text.reveal()),
        keys.digest(text.reveal()), keys.current_pepper_version(), text.reveal()[-4:], terms.cap_nanos,
        terms.max_per_call_nanos, None if agents is None else [agent.id for agent in agents],
        None if agents is None else [agent.name[:160] for agent in agents], terms.redelegate, terms.starts_in,
        terms.lifetime, settings.ROBUTLER.payment_token_depth, key_id, actor[:254],
    ]  # fmt: skip
    with organization_context(organization_id), atomic():
        with connections[alias()].cursor() as cursor:
            cursor.execute(_MINT, values)
            outcome, available = cursor.fetchone()
        if outcome not in ("minted", "repeated"):
            raise _refusal(outcome, available, terms, parent)
        permit = permit_of(id)
        if outcome == "minted" and is_audited:
            _record("payment_token.minted", id, cap_nanos=str(terms.cap_nanos))
    return Minted(permit=permit, secret=text if outcome == "minted" else None)


def _end(token_id: UUID, organization_id: UUID, *, how: _How) -> int:
    scope = platform_context(reason="end a payment token") if in_platform() else organization_context(organization_id)
    with scope, atomic():
        if not PaymentToken.objects.filter(pk=token_id, organization_id=organization_id).exists():
            raise TokenNotFound
        with connections[alias()].cursor() as cursor:
            cursor.execute("SELECT count(*) FROM billing_end_token(%s, %s)", (token_id, how))
            (ended,) = cursor.fetchone()
        if ended:
            _record(f"payment_token.{how}", token_id, organization_id=organization_id, ended=ended)
    return int(ended)


def _record(action: str, token_id: UUID, *, organization_id: UUID | None = None, **detail: Any) -> None:
    audit.record(
        action=action,
        object=PaymentToken.objects.get(pk=token_id),
        organization_id=organization_id,
        detail=detail,
    )


def _require_sense(terms: Terms) -> None:
    if not 0 < terms.cap_nanos <= MOST_NANOS:
        raise InvalidTokenTerms("cap_nanos", "The cap has to be more than nothing.")
    if terms.max_per_call_nanos is not None and not 0 < terms.max_per_call_nanos <= terms.cap_nanos:
        raise InvalidTokenTerms(
            "max_per_call_nanos", "What a call may cost has to be more than nothing, within the cap."
        )
    if terms.lifetime is not None and not timedelta(seconds=1) <= terms.lifetime <= MOST_LIFETIME:
        raise InvalidTokenTerms(
            "expires_in_s", f"A token lives for a second at least, {MOST_LIFETIME.days} days at most."
        )
    if not timedelta(0) <= terms.starts_in <= MOST_LIFETIME:
        raise InvalidTokenTerms("starts_in_s", "A token starts now or later, within a year.")
    if terms.audience is not None and not 1 <= len(terms.audience) <= MOST_AGENTS:
        raise InvalidTokenTerms("audience", f"Name 1 to {MOST_AGENTS} agents, or leave it out for all.")


def _refusal(outcome: str, available: int, terms: Terms, parent: Permit | None) -> Exception:
    prefix, cap = parent.prefix if parent else "", terms.cap_nanos
    most_depth = settings.ROBUTLER.payment_token_depth
    refusals: dict[str, Callable[[], Exception]] = {
        "expired": lambda: TokenExpired(prefix),
        "revoked": lambda: TokenRevoked(prefix),
        "closed": lambda: TokenRevoked(prefix),
        "not_redelegable": lambda: TokenDepthExceeded(prefix, most_depth=most_depth),
        "depth_exceeded": lambda: TokenDepthExceeded(prefix, most_depth=most_depth),
        "too_deep": lambda: TokenDepthExceeded(prefix, most_depth=most_depth),
        "wrong_audience": lambda: TokenWrongAudience(prefix),
        "cap_exceeded": lambda: TokenCapExceeded(prefix, required_nanos=cap, available_nanos=available),
        "insufficient": lambda: InsufficientFunds(required_nanos=cap, available_nanos=available, held_nanos=0),
        "outlives": lambda: InvalidTokenTerms("expires_in_s", "A token cannot outlive the one it is made of."),
        "max_per_call_exceeded": lambda: InvalidTokenTerms(
            "max_per_call_nanos", "A call may not cost more than with the token it is made of."
        ),
        "frozen": lambda: WalletFrozen("The wallet is frozen; contact the operator of this platform."),
        "no_wallet": lambda: NoWallet("There is no wallet of this organization."),
        "conflict": lambda: HoldConflict("The id is taken by another payment token."),
        "duplicate": lambda: HoldConflict("The id is taken by another payment token."),
    }
    return refusals.get(outcome, lambda: TokenInvalid(prefix))()
