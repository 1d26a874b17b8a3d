"""What a run's model calls may still use: how many tokens they may write, and for how many there is money."""

from agents.runtime.requesting import smaller
from agents.runtime.turn import Turn
from agents.runtime.working import Working
from skills.sdk.errors import BudgetExhausted
from skills.sdk.ports import Meter


class Spent(Exception):
    """There is nothing left for another model call; its text says of what."""


class Spending:
    """Pays for one run's model calls, one after the other. `choices`: how many replies each of them asks for."""

    def __init__(self, meter: Meter, working: Working, *, output_limit: int | None, choices: int) -> None:
        self.turns = 0
        self.cut_by: str | None = None
        """What keeps the reply in progress from becoming longer."""
        self._meter = meter
        self._working = working
        self._output_limit = output_limit
        self._choices = choices

    async def allow(self, *, input_bytes: int, output_tokens: int) -> int | None:
        """Pay for one more model call: the most it may say, None if that is not limited. Raises Spent.

        `output_tokens` is what those before it wrote. What there is no money for from the start raises BudgetExhausted.
        """
        self.turns += 1
        remaining = None
        if self._output_limit is not None:
            remaining = self._output_limit - output_tokens // self._choices
        if remaining is not None and remaining <= 0:
            raise Spent("output_tokens")
        try:
            with self._working:
                budget = await self._meter.reserve_turn(input_bytes=input_bytes, max_output_tokens=remaining)
        except BudgetExhausted as exhausted:
            if self.turns == 1:
                raise
            raise Spent(exhausted.on) from None
        allowed = smaller(remaining, budget.max_output_tokens)
        if allowed is not None and allowed <= 0:
            raise Spent("budget")
        self.cut_by = None if allowed is None else "output_tokens" if allowed == remaining else "budget"
        return allowed

    async def keeps_up(self, turn: Turn) -> bool:
        """Whether a reply that outgrows what is paid for may go on; if not, it ends here as one that is too long."""
        try:
            with self._working:
                await self._meter.keep_up()
        except BudgetExhausted as exhausted:
            turn.cut()
            self.cut_by = exhausted.on
            return False
        return True
