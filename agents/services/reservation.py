"""What is asked of the ledger before a run begins."""

from dataclasses import dataclass
from uuid import UUID

from agents.adapters.meter import RunMeter
from agents.services.payment import Payer


@dataclass(frozen=True, kw_only=True)
class Reservation:
    """Who pays whom for a run, and how large its first call of a model may become."""

    by: Payer
    beneficiary: UUID
    agent_id: UUID | None
    reference: str
    input_bytes: int
    max_output_tokens: int | None
    key_id: UUID | None = None
    end_user: str = ""
    must_hold: bool = False
    """Something may have to be paid later, though nothing is yet: a priced tool."""

    @property
    def payer(self) -> UUID:
        """The organization that pays."""
        return self.by.organization_id

    @property
    def caller(self) -> UUID:
        """The organization that asks."""
        return self.by.caller_id

    def amount(self, meter: RunMeter, max_output_tokens: int | None) -> int:
        """What has to be held for a first call with so much output."""
        needed = meter.needed(input_bytes=self.input_bytes, max_output_tokens=max_output_tokens)
        return max(needed, 1) if self.must_hold else needed
