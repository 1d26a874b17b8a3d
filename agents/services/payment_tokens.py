"""Payment tokens as callers ask for them: agents by their addresses, and a token by its text as well as by its id."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from asgiref.sync import async_to_sync

from agents import selectors
from agents.errors import AgentNotFound
from agents.services.payment import payer_by
from billing import token_holds, tokens
from billing.errors import BillingError, InvalidTokenTerms, TokenNotFound
from billing.token_holds import Use
from billing.tokens import Agent, Minted, Permit, Terms
from tenants.audit import acting
from tenants.caller import Caller
from tenants.errors import PermissionMissing
from tenants.permissions import TOKENS_WRITE
from tenants.secret import Secret


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A token as it is asked for; `audience` are addresses of agents."""

    cap_nanos: int
    lifetime: timedelta | None = None
    starts_in: timedelta = timedelta(0)
    max_per_call_nanos: int | None = None
    audience: Sequence[str] | None = None
    redelegate: bool = False
    name: str = ""


def mint(caller: Caller, *, id: UUID, wanted: Wanted) -> Minted:
    """A new token over money of the caller's organization."""
    _require_money(caller)
    return tokens.mint(
        id=id,
        organization_id=caller.organization_id,
        terms=_terms(caller, wanted),
        key_id=caller.key_id,
    )


def delegate(caller: Caller, *, id: UUID, parent: Permit, wanted: Wanted) -> Minted:
    """A child of a token that the caller was handed, or that is its organization's own."""
    _require_money(caller)
    terms = _terms(caller, wanted)
    if parent.organization_id == caller.organization_id:
        return tokens.delegate(id=id, parent=parent, terms=terms, key_id=caller.key_id)
    if parent.state == "suspended":
        parent.require_active()
    # Whose money it is, learns that a token was passed on, and by which; not by whom.
    with acting(user_id=None, key_id=None, label=f"holder of {parent.prefix}", request_id=""):
        try:
            return tokens.delegate(id=id, parent=parent, terms=terms)
        except BillingError as refused:
            raise async_to_sync(payer_by(caller, parent).told)(refused) from refused


def revoke(caller: Caller, token_id: UUID, *, held: Secret | None) -> Permit:
    """End a token and all below it. Whoever holds its text may, and whose money it is."""
    _require_money(caller)
    permit = held_or_own(caller, token_id, held=held)
    if permit.organization_id == caller.organization_id:
        tokens.revoke(permit.id, organization_id=permit.organization_id)
    else:
        with acting(user_id=None, key_id=None, label=f"holder of {permit.prefix}", request_id=""):
            tokens.revoke(permit.id, organization_id=permit.organization_id)
    return tokens.of(permit.organization_id, permit.id)


def held_or_own(caller: Caller, token_id: UUID, *, held: Secret | None) -> Permit:
    """The token with this id: by its text, if that is sent; else of the caller's organization, for who may pay."""
    if held is not None:
        permit = tokens.recognise(held.reveal())
        if permit.id != token_id:
            raise TokenNotFound
        return permit
    if not caller.may(TOKENS_WRITE):
        raise PermissionMissing(f"This API key lacks the permission {TOKENS_WRITE}.")
    return tokens.permit_of(token_id)


def reserve(
    caller: Caller,
    *,
    id: UUID,
    token: Secret,
    amount_nanos: int,
    seconds: int,
    reference: str,
    agent: str | None,
) -> Use:
    """Reserve part of a token for work of the caller's organization, done as this agent of its own if it says which."""
    _require_money(caller)
    permit = tokens.recognise(token.reveal())
    try:
        return async_to_sync(token_holds.hold)(
            id=id,
            permit=permit,
            beneficiary=caller.organization_id,
            agent_id=None if agent is None else _own_agent(caller, agent).id,
            amount_nanos=amount_nanos,
            reference=reference,
            seconds=seconds,
        )
    except BillingError as refused:
        raise async_to_sync(payer_by(caller, permit).told)(refused) from refused


def extend(caller: Caller, *, id: UUID, amount_nanos: int | None, seconds: int | None) -> Use:
    """Let what the caller has reserved grow, or live longer."""
    _require_money(caller)
    try:
        return async_to_sync(token_holds.extend)(
            id=id, beneficiary=caller.organization_id, amount_nanos=amount_nanos, seconds=seconds
        )
    except BillingError as refused:
        use = token_holds.found(id, beneficiary=caller.organization_id)
        permit = tokens.of(use.organization_id, use.token_id)
        raise async_to_sync(payer_by(caller, permit).told)(refused) from refused


def capture(caller: Caller, *, id: UUID, amount_nanos: int, reference: str) -> Use:
    """Take what the caller's work came to."""
    _require_money(caller)
    return token_holds.capture(
        id=id, beneficiary=caller.organization_id, amount_nanos=amount_nanos, reference=reference
    )


def release(caller: Caller, *, id: UUID) -> Use:
    """Give back what the caller has reserved."""
    _require_money(caller)
    return async_to_sync(token_holds.release)(id=id, beneficiary=caller.organization_id)


def _terms(caller: Caller, wanted: Wanted) -> Terms:
    return Terms(
        cap_nanos=wanted.cap_nanos,
        lifetime=wanted.lifetime,
        starts_in=wanted.starts_in,
        max_per_call_nanos=wanted.max_per_call_nanos,
        audience=None if wanted.audience is None else [_agent(caller, address) for address in wanted.audience],
        redelegate=wanted.redelegate,
        name=wanted.name,
    )


def _agent(caller: Caller, address: str) -> Agent:
    try:
        found = async_to_sync(selectors.published)(caller, address)
    except AgentNotFound:
        raise InvalidTokenTerms("audience", "One of these agents does not exist, or is not yours to call.") from None
    return Agent(id=found.agent_id, name=found.address_for(caller.organization_id))


def _own_agent(caller: Caller, address: str) -> Agent:
    found = async_to_sync(selectors.published)(caller, address)
    if found.organization_id != caller.organization_id:
        raise AgentNotFound
    return Agent(id=found.agent_id, name=address)


def _require_money(caller: Caller) -> None:
    if caller.test_mode:
        raise PermissionMissing("A test key moves no money; use a live key.")
