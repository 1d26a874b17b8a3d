"""What hooks see of a run: a call, its outcome, a model's reply, and how the run ended."""

from typing import Any, TypeAlias

import msgspec

from skills.sdk.model import FinishReason
from skills.sdk.usage import Usage

Content: TypeAlias = str | list[dict[str, Any]]
"""What a tool tells the model: text, or parts (text, image_url, input_audio, file)."""


class ToolCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call of one of the agent's tools, as the model wrote it: `arguments` is JSON. For `before_toolcall`."""

    id: str
    name: str
    arguments: str


class ToolOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What the model is told of a call. For `after_toolcall`."""

    call: ToolCall
    ok: bool
    content: Content
    duration_s: float = 0.0


class ModelReply(msgspec.Struct, frozen=True, kw_only=True):
    """What the first choice of a model call came to, and what the call used. For `after_llm_call`.

    A hook that returns another one changes what the conversation goes on with: its text, which of the agent's own tools
    are called, why it ended. What the client was sent stays sent; `on_chunk` is where to keep it back.
    """

    text: str
    tool_calls: tuple[ToolCall, ...]
    finish_reason: FinishReason
    usage: Usage


class RunOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """How the run ended; `error` is None when it finished. For `finalize_connection`."""

    error: BaseException | None = None


class HandoffCall(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation that is about to be passed on. For `before_handoff`, of who gives it and of who gets it.

    `giver` and `receiver` are agents' names; the receiver is None where a skill's own function takes over.
    """

    name: str
    giver: str
    receiver: str | None = None
    reason: str = ""
