"""A run's events, collected into what they came to."""

from collections.abc import AsyncIterable
from dataclasses import dataclass, field

from agents.runtime.events import Delta, Event, Finished
from skills.sdk.calls import ToolCall
from skills.sdk.model import FinishReason
from skills.sdk.usage import Usage


@dataclass(frozen=True, kw_only=True)
class Reply:
    """A whole run. `text` and `tool_calls` are the first choice's; `texts` has all."""

    texts: dict[int, str]
    tool_calls: tuple[ToolCall, ...]
    reasons: dict[int, FinishReason]
    usage: Usage
    stopped_by: str | None
    reasoning: str = ""
    events: tuple[Event, ...] = field(default=(), repr=False)

    @property
    def text(self) -> str:
        return self.texts.get(0, "")

    @property
    def finish_reason(self) -> FinishReason:
        return self.reasons[0]


async def collected(events: AsyncIterable[Event]) -> Reply:
    """Read a run to its end."""
    seen = [event async for event in events]
    last = seen[-1]
    assert isinstance(last, Finished), "a run that does not fail ends in Finished"
    deltas = [event for event in seen if isinstance(event, Delta)]
    texts = dict.fromkeys(sorted(last.reasons), "")
    for delta in deltas:
        texts[delta.choice] = texts.get(delta.choice, "") + delta.text
    return Reply(
        texts=texts,
        tool_calls=_tool_calls(deltas),
        reasons=last.reasons,
        usage=last.usage,
        stopped_by=last.stopped_by,
        reasoning="".join(delta.reasoning for delta in deltas if delta.choice == 0),
        events=tuple(seen),
    )


def _tool_calls(deltas: list[Delta]) -> tuple[ToolCall, ...]:
    calls: dict[int, ToolCall] = {}
    for fragment in (fragment for delta in deltas if delta.choice == 0 for fragment in delta.tool_calls):
        before = calls.get(fragment.index, ToolCall(id="", name="", arguments=""))
        calls[fragment.index] = ToolCall(
            id=before.id or fragment.id,
            name=before.name or fragment.name,
            arguments=before.arguments + fragment.arguments,
        )
    return tuple(calls.values())
