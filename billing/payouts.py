"""Paying creators: batches that one person calculates and another approves, and what becomes of each payout."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connections
from django.db.models import Count, QuerySet, Sum

from billing.amounts import NANOS_PER_DOLLAR, dollars
from billing.errors import NoSuchPayout, PayoutRefused
from billing.models import Payout, PayoutAccount, PayoutBatch
from billing.payout_accounts import account_of, opened, store_account
from billing.payout_rails import (
    Answer,
    Destination,
    Order,
    PayoutRail,
    RailUnreachable,
    configured_rail,
)
from billing.spreadsheets import csv_lines
from tenants import audit
from tenants.context import PLATFORM, alias, atomic, platform_context
from tenants.errors import SecretUnreadable

__all__ = [
    "Answer", "Destination", "Order", "PayoutRail", "Position", "RailUnreachable", "Terms", "account_of", "approve",
    "bank_file", "batch", "batches", "calculate", "cancel", "history", "mark_sent", "payout", "payouts_page",
    "position", "record", "retry", "send_due", "store_account", "terms",
]  # fmt: skip

MOST_AT_A_TIME = 50
_log = logging.getLogger(__name__)

_REFUSALS = {
    "taken": "There is a batch of this month already.",
    "unfinished": "Another batch waits to be approved: approve or cancel it first.",
    "conflict": "This contradicts what is in the books already.",
    "same_person": "Somebody else than who calculated the batch has to approve it.",
    "not_calculated": "The batch is past that: only one that waits to be approved can be approved or cancelled.",
    "not_approved": "The batch was not approved.",
    "not_manual": "The batch is sent by the payment provider, not by hand.",
    "not_failed": "Only a failed payout can be tried again.",
    "no_account": "The organization has no account to send the money to.",
    "insufficient": "The organization's earnings no longer cover the payout.",
    "stale": "This is about an earlier attempt.",
}


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What may be paid: how long earnings wait, the smallest payout, and what new creators leave in reserve."""

    hold_back_days: int
    minimum_nanos: int
    reserve_basis_points: int
    reserve_days: int
    rail: str


@dataclass(frozen=True, kw_only=True)
class Position:
    """A creator's earnings: all that was not paid out, and why some of it waits. `payable` is what is left."""

    balance_nanos: int
    held_back_nanos: int
    clawback_nanos: int
    reserve_nanos: int
    payable_nanos: int


def terms() -> Terms:
    """What this installation pays on."""
    environment = settings.ROBUTLER
    return Terms(
        hold_back_days=environment.payout_hold_back_days,
        minimum_nanos=environment.payout_minimum_usd * NANOS_PER_DOLLAR,
        reserve_basis_points=environment.payout_reserve_basis_points,
        reserve_days=environment.payout_reserve_days,
        rail="gateway" if environment.payout_gateway else "manual",
    )


def position(organization_id: UUID, *, on: Terms | None = None) -> Position:
    """Where an organization's earnings stand now."""
    on = on or terms()
    with connections[alias()].cursor() as cursor:
        cursor.execute(
            "SELECT * FROM billing_payout_position(%s, now() - make_interval(days => %s), %s, %s)",
            (organization_id, on.hold_back_days, on.reserve_basis_points, on.reserve_days),
        )
        balance, immature, clawback, reserve, payable = cursor.fetchone()
    return Position(
        balance_nanos=balance,
        held_back_nanos=immature,
        clawback_nanos=clawback,
        reserve_nanos=reserve,
        payable_nanos=payable,
    )


def history(organization_id: UUID) -> QuerySet[Payout]:
    """The payouts of an organization that were approved, newest first."""
    shown = Payout.objects.filter(organization_id=organization_id).exclude(state__in=("calculated", "cancelled"))
    return shown.select_related("account").defer("account__sealed").order_by("-created_at", "-id")


def batches() -> QuerySet[Any]:
    """Every batch, newest first, with how many payouts it has and their sum; staff only."""
    summed = PayoutBatch.objects.annotate(count=Count("payouts"), total=Sum("payouts__amount", default=0))
    return summed.order_by("-calculated_at")


def batch(id: UUID) -> Any:
    """A PayoutBatch with `count` and `total`; NoSuchPayout without one. Staff only."""
    found = batches().filter(pk=id).first()
    if found is None:
        raise NoSuchPayout("There is no such batch.")
    return found


def payout(id: UUID) -> Payout:
    """A payout; NoSuchPayout without one. Staff only."""
    found = Payout.objects.filter(pk=id).select_related("organization", "account").defer("account__sealed").first()
    if found is None:
        raise NoSuchPayout("There is no such payout.")
    return found


def payouts_page(batch_id: UUID, *, after: UUID | None, limit: int) -> tuple[list[Payout], bool]:
    """Payouts of a batch after this one, and whether there are more; NoSuchPayout without the batch. Staff only."""
    rows = batch(batch_id).payouts.select_related("account").defer("account__sealed").order_by("id")
    found = list((rows if after is None else rows.filter(id__gt=after))[: limit + 1])
    return found[:limit], len(found) > limit


def calculate(*, id: UUID, period: str, actor: str, reason: str, on: Terms | None = None) -> None:
    """Draw up the payouts of a month, once; nothing moves before somebody else approves."""
    on = on or terms()
    arguments = (
        id, period, on.rail, actor, on.hold_back_days, on.minimum_nanos, on.reserve_basis_points, on.reserve_days,
    )  # fmt: skip
    _staff("calculate_payouts", arguments, reason=reason, done="payout_batch.calculated", batch_id=id)


def approve(*, id: UUID, actor: str, reason: str) -> None:
    """Set the money of a batch aside, by another person than who calculated it."""
    _staff("approve_payouts", (id, actor), reason=reason, done="payout_batch.approved", batch_id=id)


def cancel(*, id: UUID, actor: str, reason: str) -> None:
    """Drop a batch that nobody has approved."""
    _staff("cancel_payouts", (id,), reason=f"{reason} ({actor})", done="payout_batch.cancelled", batch_id=id)


def mark_sent(*, id: UUID, actor: str, reason: str) -> None:
    """Say that the bank has the file of a batch."""
    _staff("send_payouts", (id,), reason=f"{reason} ({actor})", done="payout_batch.sent", batch_id=id)


def retry(*, id: UUID, attempt: int, actor: str, reason: str) -> None:
    """Try a failed payout again, as its next attempt. Repeated with the same `attempt`, it is the same retry."""
    _staff("retry_payout", (id, attempt, actor), reason=reason, done="payout.retried", payout_id=id)


def record(*, id: UUID, attempt: int, answer: Answer, actor: str, reason: str) -> None:
    """Book what became of a payout, once; PayoutRefused when the books say otherwise."""
    arguments = (
        id, attempt, answer.outcome, answer.external_ref or None, answer.fee_nanos, answer.code, actor,
    )  # fmt: skip
    _staff("record_payout", arguments, reason=reason, done=f"payout.{answer.outcome}", payout_id=id)


def send_due(rail: PayoutRail | None = None, *, limit: int = MOST_AT_A_TIME) -> int:
    """Ask the payment provider about every payout that is due, and book its answers; how many were asked about.

    Each is leased before the provider is asked. Whoever dies in between leaves the lease to run out, and the question,
    asked again, is the same one.
    """
    rail = rail or configured_rail()
    if rail is None:
        return 0
    claimed = _claimed(limit)
    for due in claimed:
        _send(rail, **due)
    return len(claimed)


def bank_file(batch_id: UUID) -> Iterator[str]:
    """The payouts of a batch that the bank has to make, as CSV with full account details; staff only."""
    found = batch(batch_id)
    if found.state in (PayoutBatch.State.CALCULATED, PayoutBatch.State.CANCELLED):
        raise PayoutRefused("not_approved", _REFUSALS["not_approved"])
    due = found.payouts.filter(state__in=("pending", "sent")).select_related("account__data_key").order_by("id")
    header = ("reference", "holder", "account", "bank_code", "country", "amount", "currency", "text")
    return csv_lines(header, (_bank_line(each, opened(each.account)) for each in due.iterator()))


def _bank_line(due: Payout, to: Destination) -> tuple[str | Decimal, ...]:
    amount = Decimal(due.amount_cents).scaleb(-2)
    return (due.external_ref or "", to.holder, to.number, to.bank_code, to.country, amount, "USD", str(due))


def _send(
    rail: PayoutRail, *, id: UUID, attempt: int, external_ref: str | None, amount_cents: int, account: PayoutAccount
) -> None:
    key = f"payout:{id}:{attempt}"
    try:
        if external_ref:
            answer = rail.look(key=key, external_ref=external_ref)
        else:
            order = Order(key=key, amount_cents=amount_cents, destination=opened(account), text="Your earnings")
            answer = rail.send(order)
    except RailUnreachable as error:
        _log.warning("The payment provider did not say what became of %s: %s", key, error)
        return
    except SecretUnreadable:
        answer = Answer(outcome="failed", code="account_unreadable")
    try:
        record(id=id, attempt=attempt, answer=answer, actor="payment provider", reason="the payment provider's answer")
    except PayoutRefused as error:
        _log.error("The payment provider's answer to %s is not in the books: %s", key, error)


def _claimed(limit: int) -> list[dict[str, Any]]:
    with platform_context(reason="send payouts"):
        with atomic(), connections[PLATFORM].cursor() as cursor:
            cursor.execute("SELECT * FROM billing_claim_payouts(%s)", (limit,))
            rows = cursor.fetchall()
        accounts = PayoutAccount.objects.select_related("data_key").in_bulk([row[5] for row in rows])
    return [
        {"id": id, "attempt": attempt, "external_ref": ref, "amount_cents": cents, "account": accounts[account_id]}
        for id, attempt, ref, cents, _, account_id in rows
    ]


def _staff(
    function: str,
    arguments: tuple[Any, ...],
    *,
    reason: str,
    done: str,
    batch_id: UUID | None = None,
    payout_id: UUID | None = None,
) -> None:
    with platform_context(reason=reason), atomic(), connections[PLATFORM].cursor() as cursor:
        cursor.execute(
            f"SELECT billing_{function}({', '.join(['%s'] * len(arguments))})",
            arguments,
        )
        (outcome,) = cursor.fetchone()
        if outcome == "unknown":
            raise NoSuchPayout("There is no such batch or payout.")
        if outcome in _REFUSALS and outcome != "insufficient":
            raise PayoutRefused(outcome, _REFUSALS[outcome])
        if outcome != "repeated":
            _remember(done, batch_id=batch_id, payout_id=payout_id)
    if outcome == "insufficient":
        raise PayoutRefused(outcome, _REFUSALS[outcome])


def _remember(done: str, *, batch_id: UUID | None, payout_id: UUID | None) -> None:
    if batch_id is not None:
        found = batch(batch_id)
        audit.record(action=done, object=found, detail={"payouts": found.count, "total": dollars(found.total)})
    elif payout_id is not None:
        paid = payout(payout_id)
        detail = {"amount": dollars(paid.amount), "attempt": paid.attempt, "failure": paid.failure_code}
        audit.record(action=done, object=paid, organization_id=paid.organization_id, detail=detail)
