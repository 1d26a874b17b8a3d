"""The ledger: the only door through which money moves.

What runs do (hold, extend, checkpoint, settle, release) is asynchronous and goes out in groups, through the committer.
What tasks do (sweep) is synchronous. Accounts come with their organization. Amounts are whole
nanodollars.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from django.db import connections

from billing import committer, operations, spool
from billing.connection import IDLE_TIMEOUT_MS
from billing.errors import (
    BillingBusy,
    BillingUnavailable,
    BudgetExceeded,
    BudgetLeft,
    DuplicateRequest,
    HoldClosed,
    HoldConflict,
    HoldNotFound,
    InsufficientFunds,
    LedgerRefused,
    NoWallet,
    WalletFrozen,
)
from billing.lines import Line, as_json
from billing.models import Account
from billing.rating import PriceTerms, Rated
from billing.selectors import TrialBalance, trial_balance
from tenants.context import PLATFORM, atomic, in_platform, organization_context, platform_context

__all__ = [
    "Balance", "HoldResult", "Settled", "TrialBalance", "balance", "checkpoint", "drain", "extend", "hold",
    "release", "settle", "start", "sweep_expired", "trial_balance", "waiting",
]  # fmt: skip

HOLD_SECONDS = 60
MOST_IN_A_WALLET = 2**63 - 1
"""What the database can count. Who asks for more is told what the wallet has, as everybody is."""

ChargeKind = Literal["run", "tool", "agent", "handoff", "token"]
Source = Literal["provider", "counted", "checkpoint", "estimated"]
Status = Literal["finished", "failed", "disconnected", "cancelled"]


@dataclass(frozen=True, kw_only=True)
class HoldResult:
    """A reservation that stands. `repeated` when it stood before this call: the work may already be under way."""

    id: UUID
    amount_nanos: int
    repeated: bool


@dataclass(frozen=True, kw_only=True)
class Settled:
    """What a hold came to: what the payer was charged, and the cost that the platform bears.

    `deferred`: the database is away; the settlement is on disk and will be in the books soon after it is back.
    """

    charged_nanos: int
    loss_nanos: int
    deferred: bool = False


@dataclass(frozen=True, kw_only=True)
class Balance:
    """A wallet: what was paid in and not spent, what runs have reserved of it, what is left, credit included."""

    posted: int
    held: int
    available: int
    credit_limit: int = 0
    status: str = "open"


async def hold(
    *,
    id: UUID,
    payer: UUID,
    run_id: UUID,
    amount_nanos: int,
    reference: str,
    price: PriceTerms,
    beneficiary: UUID | None,
    kind: ChargeKind = "run",
    ttl_s: int = HOLD_SECONDS,
    idempotency_key: str | None = None,
    agent_id: UUID | None = None,
    parent: UUID | None = None,
    key_id: UUID | None = None,
    end_user: str = "",
    token_id: UUID | None = None,
) -> HoldResult:
    """Reserve `amount_nanos` on the payer's wallet and open the charge; both are durable when this returns.

    `id` names charge and hold for ever; asked for again, the same reservation answers. An amount of 0 reserves nothing
    and opens the charge only. `key_id`, `agent_id`, `end_user` and `token_id` are whose budgets it counts against. With
    a `parent` it is carved out of that hold of the same payer, and touches neither wallet nor budgets. Raises
    InsufficientFunds, BudgetExceeded, WalletFrozen, NoWallet, DuplicateRequest, HoldConflict, BillingBusy,
    BillingUnavailable, and HoldNotFound or HoldClosed of a parent.
    """
    row = (
        id, payer, run_id, min(amount_nanos, MOST_IN_A_WALLET), kind, reference[:200], parent, agent_id, beneficiary,
        price.price_version_id, price.platform_credential, idempotency_key, ttl_s, key_id, end_user[:256], token_id,
    )  # fmt: skip
    if spool.is_blocking():
        raise BillingUnavailable("Runs that have ended wait to be settled; try again in a moment.")
    answer = await committer.ask(operations.HOLD, (row,))
    _, outcome, repeated, _, *room = answer.rows[0]
    match outcome:
        case "held":
            return HoldResult(id=id, amount_nanos=amount_nanos, repeated=repeated and not answer.retried)
        case "insufficient":
            raise _too_little(amount_nanos, *room)
        case "frozen":
            raise WalletFrozen("The wallet is frozen; contact the operator of this platform.")
        case "no_parent" | "parent_closed" | "too_deep":
            raise HoldNotFound(parent or id) if outcome == "no_parent" else HoldClosed(parent or id)
        case "no_wallet":
            raise NoWallet("There is no wallet of this organization.")
        case "duplicate":
            raise DuplicateRequest("Another request with this idempotency key is under way or done.")
        case _:
            raise HoldConflict(f"The id {id} is taken by another hold.")


async def extend(*, id: UUID, amount_nanos: int) -> None:
    """Grow an open hold to a new total; smaller totals change nothing. Raises InsufficientFunds, HoldClosed."""
    answer = await committer.ask(operations.EXTEND, ((id, min(amount_nanos, MOST_IN_A_WALLET)),))
    _, outcome, required, *limit = answer.rows[0]
    match outcome:
        case "extended":
            return
        case "insufficient":
            raise _too_little(required, *limit)
        case "frozen":
            raise WalletFrozen("The wallet is frozen; contact the operator of this platform.")
        case "closed":
            raise HoldClosed(id)
        case _:
            raise HoldNotFound(id)


def _too_little(required: int, available: int, held: int, limited_by: Any, *budget: Any) -> InsufficientFunds:
    """The refusal of what does not fit, by the limit that left the least."""
    room = {"required_nanos": required, "available_nanos": available, "held_nanos": held}
    if limited_by != "budget":
        return InsufficientFunds(**room, limited_by=limited_by)
    id, scope, limit, spent, resets_at = budget
    left = BudgetLeft(id=id, scope=scope, limit_nanos=limit, spent_nanos=spent, resets_at=resets_at)
    return BudgetExceeded(**room, budget=left)


async def checkpoint(accrued: Mapping[UUID, Rated], *, ttl_s: int = HOLD_SECONDS) -> None:
    """Write down what each open hold has spent so far, and keep it alive for another `ttl_s`.

    Should the process die, this is what the sweeper settles. Holds that have ended are passed over. What cannot be
    written for one of them is written for all others before LedgerRefused says so.
    """
    if not accrued:
        return
    rows = tuple(
        (id, spent.cost_nanos, spent.markup_nanos, spent.fee_nanos, ttl_s) for id, spent in sorted(accrued.items())
    )
    refused = 0
    for start in range(0, len(rows), committer.BATCH_ROWS):
        part = rows[start : start + committer.BATCH_ROWS]
        try:
            await committer.ask(operations.CHECKPOINT, part)
        except LedgerRefused:
            async with asyncio.TaskGroup() as group:
                alone = [group.create_task(_is_refused(row)) for row in part]
            refused += sum(task.result() for task in alone)
    if refused:
        raise LedgerRefused(f"The ledger refused the checkpoints of {refused} holds.")


async def _is_refused(row: tuple[UUID, int, int, int, int]) -> bool:
    try:
        await committer.ask(operations.CHECKPOINT, (row,))
    except LedgerRefused:
        return True
    return False


async def settle(
    *,
    id: UUID,
    cost_nanos: int,
    markup_nanos: int,
    fee_nanos: int,
    platform_credential: bool,
    source: Source,
    status: Status,
    finish_reason: str = "",
    lines: Sequence[Line] = (),
) -> Settled:
    """End a hold by charging what the work cost, once; asked for again, the first answer stands.

    The charge is at most the hold; beyond that the wallet pays the platform's own cost only, as far as it goes. What is
    short is cut from the creator's share first, then from the platform's fee; cost that nobody paid is the platform's
    loss. A hold that expired in the meantime is settled late, within the same bounds, out of what the wallet still has.
    `lines` are what it was made of; they are kept with the end that counts.
    Raises HoldNotFound, and HoldClosed for a released one.
    """
    row = (
        id, cost_nanos, markup_nanos, fee_nanos, platform_credential, source, status, finish_reason[:32],
        as_json(lines),
    )  # fmt: skip
    answer = await _ended(operations.SETTLE, row)
    if answer is None:
        return Settled(charged_nanos=0, loss_nanos=0, deferred=True)
    _, outcome, charged, loss = answer.rows[0]
    match outcome:
        case "settled":
            return Settled(charged_nanos=charged, loss_nanos=loss)
        case "released":
            raise HoldClosed(id)
        case _:
            raise HoldNotFound(id)


async def release(*, id: UUID, status: Status) -> None:
    """End a hold for nothing: nobody owes anything. Raises HoldNotFound, and HoldClosed for a settled one."""
    answer = await _ended(operations.RELEASE, (id, status))
    if answer is None:
        return
    _, outcome = answer.rows[0]
    match outcome:
        case "released":
            return
        case "closed":
            raise HoldClosed(id)
        case _:
            raise HoldNotFound(id)


async def _ended(operation: operations.Operation, row: tuple[Any, ...]) -> committer.Answer | None:
    """What the books say to the end of a hold; None when they cannot, and it is in the spool until they can."""
    try:
        return await committer.ask(operation, (row,))
    except (BillingBusy, BillingUnavailable) as error:
        await spool.keep(operation, row, away=isinstance(error, BillingUnavailable))
        return None


def start() -> None:
    """Bring to the books what processes before this one could not; the first thing a process does."""
    spool.start()


def waiting() -> int:
    """How many ends of holds of this process are on disk, not yet in the books."""
    return spool.waiting()


def drain(*, timeout_s: float = 10.0) -> bool:
    """Finish what runs have asked for; the last thing a process does. Whether all was answered in time."""
    spool.stop()
    return committer.drain(timeout_s=timeout_s)


def balance(organization_id: UUID) -> Balance:
    """What an organization's wallet holds; nothing without one."""
    if not in_platform():
        with organization_context(organization_id):
            return _balance(organization_id)
    return _balance(organization_id)


def _balance(organization_id: UUID) -> Balance:
    wallet = Account.objects.filter(organization_id=organization_id, kind=Account.Kind.WALLET).first()
    if wallet is None:
        return Balance(posted=0, held=0, available=0)
    return Balance(
        posted=wallet.credits_posted - wallet.debits_posted,
        held=wallet.debits_pending,
        available=wallet.available,
        credit_limit=wallet.credit_limit,
        status=wallet.status,
    )


def sweep_expired(*, limit: int = 500, grace_s: float = 0) -> int:
    """Close holds that nobody came back for, and say how many: what was checkpointed is settled, the rest released.

    A database that has just come back is left alone for `grace_s`: processes that live bring in meanwhile what ended
    while it was away, and say which runs go on.
    """
    statement = """
        SELECT billing_sweep(%s), set_config('idle_in_transaction_session_timeout', %s, true)
        WHERE pg_postmaster_start_time() < now() - make_interval(secs => %s)
    """
    with platform_context(reason="sweep expired holds"), atomic(), connections[PLATFORM].cursor() as cursor:
        cursor.execute(statement, (limit, f"{IDLE_TIMEOUT_MS}ms", grace_s))
        closed = cursor.fetchone()
    return int(closed[0]) if closed else 0
