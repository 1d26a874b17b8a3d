"""What happens in a run, in order: the one vocabulary between the loop and whoever watches it."""

from typing import Any, TypeAlias

import msgspec

from skills.sdk.model import FinishReason, ToolCallFragment
from skills.sdk.usage import Usage


class Delta(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of the answer to the client. `tool_calls` are the client's own only, renumbered from 0 per choice."""

    choice: int = 0
    text: str = ""
    reasoning: str = ""
    refusal: str = ""
    tool_calls: tuple[ToolCallFragment, ...] = ()
    logprobs: dict[str, Any] | None = None
    extras: dict[str, Any] | None = None
    about: dict[str, Any] | None = None


class ToolStarted(msgspec.Struct, frozen=True, kw_only=True):
    """The agent calls one of its own tools."""

    call_id: str
    name: str
    arguments: str
    turn: int
    agent: str = ""
    """Whose it is, where the conversation was passed on to another agent."""


class ToolProgressed(msgspec.Struct, frozen=True, kw_only=True):
    """How far a tool is that is being carried out: so much of `total`, if that is known, and in words."""

    call_id: str
    name: str
    done: float
    total: float | None = None
    note: str = ""
    agent: str = ""


class ToolFinished(msgspec.Struct, frozen=True, kw_only=True):
    """The tool returned, or failed (`ok` is False and `content` says why). `skill`: whose it is, if it is anybody's."""

    call_id: str
    name: str
    skill: str | None = None
    ok: bool
    content: str
    duration_s: float
    agent: str = ""


class TurnFinished(msgspec.Struct, frozen=True, kw_only=True):
    """A model call ended; `usage` is that call's own."""

    turn: int
    model: str
    usage: Usage
    agent: str = ""


class HandoffStarted(msgspec.Struct, frozen=True, kw_only=True):
    """The conversation is passed on: what follows is said by `receiver`, or by a skill's own function."""

    name: str
    giver: str
    receiver: str | None = None
    reason: str = ""


class HandoffFinished(msgspec.Struct, frozen=True, kw_only=True):
    """Who took the conversation over has answered, or could not (`ok` is False and `content` says why)."""

    name: str
    receiver: str | None = None
    ok: bool
    content: str = ""
    duration_s: float


class Embedded(msgspec.Struct, frozen=True, kw_only=True):
    """An embedding model's vectors, one for each input, as packed 32-bit floats."""

    vectors: tuple[bytes, ...]


class Finished(msgspec.Struct, frozen=True, kw_only=True):
    """The last event of a run that did not fail: why each choice ended, and the usage of all its model calls.

    `stopped_by` says what cut the run short, if anything: `turns`, `repairs`, `output_tokens`; and of
    money `budget` when the wallet or a budget has no more, `max_cost` where the run may cost no more, `frozen` for a
    wallet that staff stopped meanwhile.
    """

    reasons: dict[int, FinishReason]
    usage: Usage
    stopped_by: str | None = None


Event: TypeAlias = (
    Delta
    | ToolStarted
    | ToolProgressed
    | ToolFinished
    | TurnFinished
    | HandoffStarted
    | HandoffFinished
    | Embedded
    | Finished
)
