"""Work of agents who call agents, as the books see it: holds carved out of holds, in a process that may die anywhere.

`python -m tests.chaos.trees FILE PAYER` works until it is killed. What each hold has spent is in the file, on disk,
before it is told to the books; so is what the books answered.
"""

import asyncio
import os
import random
import sys
from contextlib import suppress
from uuid import UUID, uuid4

import django

django.setup()

from billing import ledger  # noqa: E402  # Django must be set up first
from billing.errors import BillingError, HoldClosed, HoldNotFound  # noqa: E402
from billing.pricing import PriceTerms, Rated  # noqa: E402

TERMS = PriceTerms(model=None, platform_credential=True, owner_is_payer=False)
AT_ONCE = 4
TTL_S = 15
DEPTH = 3
ROOM = 1_000_000


class Tree:
    """One run with its sub-agents."""

    def __init__(self, payer: UUID, truth: int, dice: random.Random) -> None:
        self._payer = payer
        self._truth = truth
        self._dice = dice

    async def grow(self, *, parent: UUID | None = None, amount: int = ROOM, depth: int = 0) -> None:
        """Reserve, spend step by step, have children do some of the work, and end."""
        id = uuid4()
        await ledger.hold(
            id=id, payer=self._payer, run_id=id, amount_nanos=amount, reference="chaos/tree", price=TERMS,
            beneficiary=None, kind="agent" if parent else "run", ttl_s=TTL_S, parent=parent,
        )  # fmt: skip
        spent = 0
        for _ in range(self._dice.randint(1, 4)):
            spent += self._dice.randint(1, amount // 20)
            self._swear("spent", id, spent)
            await ledger.checkpoint({id: _cost(spent)}, ttl_s=TTL_S)
            if depth < DEPTH and self._dice.random() < 0.5:
                await self.grow(parent=id, amount=amount // 5, depth=depth + 1)
            await asyncio.sleep(self._dice.random() / 5)
        await self._end(id, spent)

    async def _end(self, id: UUID, spent: int) -> None:
        if self._dice.random() < 0.1:
            await ledger.release(id=id, status="failed")
            self._swear("released", id, 0)
            return
        for cost in (spent, spent // 2)[: self._dice.choice((1, 1, 2))]:
            settled = await ledger.settle(
                id=id, cost_nanos=cost, markup_nanos=0, fee_nanos=0, platform_credential=True, source="provider",
                status="finished",
            )  # fmt: skip
            if not settled.deferred:
                self._swear("charged", id, settled.charged_nanos)

    def _swear(self, what: str, id: UUID, nanos: int) -> None:
        os.write(self._truth, f"{what} {id} {nanos}\n".encode())
        os.fdatasync(self._truth)


def _cost(nanos: int) -> Rated:
    return Rated(cost_nanos=nanos, markup_nanos=0, fee_nanos=0)


async def _work(payer: UUID, truth: int) -> None:
    tree = Tree(payer, truth, random.Random())
    while True:
        try:
            await tree.grow()
        except (HoldClosed, HoldNotFound):
            continue  # it was away for longer than its hold lived
        except BillingError:
            await asyncio.sleep(0.5)


async def _main() -> None:
    truth = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    ledger.start()
    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(_work(UUID(sys.argv[2]), truth))


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(_main())
