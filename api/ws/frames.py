"""What is said over a socket, as JSON: each event of a run, numbered, and what goes wrong."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from agents.runtime.events import (
    Delta,
    Event,
    Finished,
    HandoffFinished,
    HandoffStarted,
    ToolFinished,
    ToolProgressed,
    ToolStarted,
    TurnFinished,
)
from agents.services.run_stream import Ended, Receipt
from api.openai import wire
from api.openai.amounts import usd
from api.problems import Problem, body_of

Fields = Mapping[str, Any]


def text_of(frame: Fields) -> str:
    """A frame as it is sent."""
    return wire.encoded(frame).decode()


def started(*, agent: str, started_at: datetime, **more: Any) -> dict[str, Any]:
    """The first frame of a run."""
    return {"type": "run.started", "agent": agent, "started_at": started_at.isoformat(), **more}


def frame_of(event: Event, *, with_content: bool) -> dict[str, Any] | None:
    """What is told of an event; without what was said where that is nobody's business. None for what is told later."""
    match event:
        case Delta():
            return _delta(event) if with_content else {"type": "delta", "characters": len(event.text)}
        case ToolStarted():
            told = {"type": "tool.started", "call": event.call_id, "name": event.name, "turn": event.turn}
            return told | ({"arguments": event.arguments} if with_content else {})
        case ToolProgressed():
            told = {"type": "tool.progress", "call": event.call_id, "name": event.name}
            told |= {"done": event.done, "total": event.total}
            return told | ({"note": event.note} if with_content else {})
        case ToolFinished():
            told = {"type": "tool.finished", "call": event.call_id, "name": event.name, "ok": event.ok}
            told["duration_s"] = round(event.duration_s, 6)
            return told | ({"content": event.content} if with_content else {})
        case HandoffStarted():
            told = {"type": "handoff.started", "to": event.receiver or event.name}
            return told | ({"reason": event.reason} if with_content else {})
        case HandoffFinished():
            told = {"type": "handoff.finished", "to": event.receiver or event.name, "ok": event.ok}
            return told | ({"content": event.content} if with_content else {})
        case TurnFinished():
            usage = wire.usage_of(event.usage)
            return {"type": "turn.finished", "turn": event.turn, "model": event.model, "usage": usage}
    return None


def ended(end: Ended, problem: Problem | None) -> dict[str, Any]:
    """The last frame of a run: how it finished, or what went wrong, and what it came to."""
    reached: dict[str, Any] = {"type": "run.finished" if problem is None else "run.failed"}
    if problem is not None:
        reached |= error_of(problem)
    if end.finished is not None:
        reached |= _finish(end.finished)
    if end.receipt is not None:
        reached |= _receipt(end.receipt)
    return reached


def error_of(problem: Problem) -> dict[str, Any]:
    """A problem in the shape that the API gives it."""
    return {"error": msgspec.json.decode(body_of(problem))["error"]}


def _delta(event: Delta) -> dict[str, Any]:
    told: dict[str, Any] = {"type": "delta", "choice": event.choice}
    told |= {name: said for name in ("text", "reasoning", "refusal") if (said := getattr(event, name))}
    if event.tool_calls:
        told["tool_calls"] = msgspec.to_builtins(event.tool_calls)
    return told


def _finish(finished: Finished) -> dict[str, Any]:
    return {
        "finish_reason": finished.reasons.get(0),
        "stopped_by": finished.stopped_by,
        "usage": wire.usage_of(finished.usage),
    }


def _receipt(receipt: Receipt) -> dict[str, Any]:
    return {
        "status": receipt.status,
        "usage": wire.usage_of(receipt.usage),
        "charged_nanos": str(receipt.charged_nanos),
        "charged_usd": usd(receipt.charged_nanos),
        "deferred": receipt.deferred,
    }
