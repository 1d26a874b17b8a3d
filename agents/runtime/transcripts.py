"""What a run did before it asked the client to carry out calls: kept, and put back when the client continues.

The client only ever sees its own calls. What the agent's tools were asked and answered is stored under the ids of the
client's calls, and takes the place of the client's copy of the assistant's message in the run that follows.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import msgspec

from agents.runtime.results import cut
from skills.sdk.context import RunContext
from skills.sdk.errors import ModelRejected, NotAvailable, ToolFailed
from skills.sdk.model import Message

logger = logging.getLogger(__name__)

NAMESPACE = "transcripts"
LIFETIME = timedelta(hours=1)
LIMIT_BYTES = 250_000


async def put_back(ctx: RunContext) -> None:
    """Replace assistant messages in `ctx.messages` by the transcripts kept for their calls.

    Raises ModelRejected for a tool message that answers no call of the assistant message before it: a result that
    nobody asked the client for never reaches the model.
    """
    by_first = [ids[0] for message in ctx.messages if (ids := call_ids(message))]
    check_results(ctx.messages)
    if not by_first:
        return
    kept = await _kept(ctx, by_first)
    restored: list[Message] = []
    for message in ctx.messages:
        ids = call_ids(message)
        transcript: Any = kept.get(ids[0]) if ids else None
        restored.extend(transcript["messages"] if _matches(transcript, ids, ctx) else (message,))
    ctx.messages[:] = restored


async def keep(ctx: RunContext, *, client_calls: Sequence[str], appended: Sequence[Message]) -> None:
    """Keep what a run appended to the conversation, for the client's next request; if it can be kept.

    The client has seen its calls by now: what cannot be kept is missed later, and fails nothing.
    """
    messages = _fitting(appended)
    if messages is None:
        return
    transcript = {"calls": list(client_calls), "end_user": ctx.caller.end_user, "messages": messages}
    try:
        for id in client_calls:
            await ctx.ports.storage.put(NAMESPACE, id, transcript, lifetime=LIFETIME)
    except (NotAvailable, ToolFailed) as error:
        logger.warning("What run %s did before its client's calls is not kept: %s", ctx.run_id, error)


def call_ids(message: Mapping[str, Any]) -> list[str]:
    """The ids of an assistant message's tool calls."""
    if message.get("role") != "assistant":
        return []
    return [str(call.get("id", "")) for call in message.get("tool_calls") or ()]


def check_results(messages: Iterable[Mapping[str, Any]]) -> None:
    """See that every tool message answers a call of the assistant message before it, once."""
    expected: set[str] = set()
    for index, message in enumerate(messages):
        if message.get("role") == "assistant":
            expected = set(call_ids(message))
        elif message.get("role") == "tool":
            id = message.get("tool_call_id")
            if id not in expected:
                raise ModelRejected(
                    f"messages[{index}] has the role 'tool', but the assistant message before it makes no call with "
                    "its tool_call_id, or that call is answered already.",
                    parameter=f"messages.[{index}].tool_call_id",
                    code="invalid_value",
                )
            expected.discard(id)


async def _kept(ctx: RunContext, ids: Sequence[str]) -> Mapping[str, Any]:
    try:
        return await ctx.ports.storage.get_many(NAMESPACE, ids)
    except NotAvailable:
        return {}


def _matches(transcript: Any, ids: Sequence[str], ctx: RunContext) -> bool:
    """Whether this transcript is of this message: the same calls, asked of the same end user."""
    return (
        isinstance(transcript, dict)
        and set(transcript["calls"]) == set(ids)
        and transcript["end_user"] == ctx.caller.end_user
    )


def _fitting(messages: Sequence[Message]) -> list[Message] | None:
    """The messages, with results cut shorter if they are too much to keep together; None when that does not help."""
    if len(msgspec.json.encode(messages)) <= LIMIT_BYTES:
        return list(messages)
    results = sum(message["role"] == "tool" for message in messages)
    share = LIMIT_BYTES // (4 * max(1, results))
    shorter = [
        {**message, "content": cut(_text(message["content"]), share)} if message["role"] == "tool" else message
        for message in messages
    ]
    return shorter if len(msgspec.json.encode(shorter)) <= LIMIT_BYTES else None


def _text(content: Any) -> str:
    return content if isinstance(content, str) else msgspec.json.encode(content).decode()
