"""What will stand in a run's row, and in what was said if its agent keeps that."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from agents.adapters.run_writer import run_writer
from agents.runtime import tracing
from agents.runtime.events import Delta
from agents.runtime.whole import whole, whole_text
from agents.services.run_stream import Receipt
from agents.services.settlement import Ending

LONGEST_REPLY = 200_000


@dataclass(eq=False, kw_only=True)
class RunRecord:
    """A row in the making. `fixed` are the columns that are known from the start."""

    fixed: dict[str, Any]
    messages: Sequence[dict[str, Any]] | None = None
    """What the caller sent, if that is kept."""
    end_user: str = ""
    conversation_id: str = ""
    turns: int = 0
    trace_id: str = field(default_factory=tracing.trace_id)
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    _first_chunk_at: datetime | None = None
    _reply: list[str] = field(default_factory=list)
    _reply_size: int = 0

    def started(self) -> None:
        """The run is paid for and begins."""
        row = {**self.fixed, "trace_id": self.trace_id, "started_at": self.started_at, "status": "running"}
        run_writer().write(row)

    def delta(self, delta: Delta) -> None:
        """A piece of the answer came."""
        if self._first_chunk_at is None:
            self._first_chunk_at = datetime.now(UTC)
        if self.messages is not None and delta.choice == 0 and self._reply_size < LONGEST_REPLY:
            self._reply.append(delta.text)
            self._reply_size += len(delta.text)

    def ended(self, ending: Ending, receipt: Receipt, *, cost_nanos: int, model: str | None) -> None:
        """The run is over, and settled unless the receipt says otherwise. `model` is who answered, if anybody did."""
        usage = receipt.usage
        row = {
            **self.fixed,
            "model": model or self.fixed["model"],
            "trace_id": self.trace_id,
            "status": ending.status,
            "finish_reason": ending.finish_reason,
            "stopped_by": ending.stopped_by,
            "error": ending.error[:64],
            "turns": self.turns,
            "input_tokens": usage.input_tokens,
            "cached_input_tokens": usage.cached_input_tokens,
            "output_tokens": usage.output_tokens,
            "reasoning_tokens": usage.reasoning_tokens,
            "usage_source": usage.source,
            "cost_nanos": cost_nanos,
            "charged_nanos": receipt.charged_nanos,
            "started_at": self.started_at,
            "first_chunk_at": self._first_chunk_at,
            "ended_at": datetime.now(UTC),
        }
        run_writer().write(row, content=self._content())

    def _content(self) -> dict[str, Any] | None:
        if self.messages is None:
            return None
        return {
            "id": self.fixed["id"],
            "organization_id": self.fixed["organization_id"],
            "end_user": whole_text(self.end_user)[:256],
            "conversation_id": whole_text(self.conversation_id)[:256],
            "messages": whole(list(self.messages)),
            "reply": whole_text("".join(self._reply))[:LONGEST_REPLY],
        }
