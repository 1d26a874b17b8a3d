"""litellm itself: imported on first use, called once per attempt, its chunks turned into ours."""

import asyncio
import logging
import os
import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from types import ModuleType
from typing import Any, cast, get_args

import msgspec

from skills.litellm import failures
from skills.litellm.arguments import arguments_of, without_addresses
from skills.litellm.silence import broken
from skills.litellm.witness import Witness
from skills.sdk import Chunk, Credential, FinishReason, ModelRequest, ModelUnreachable, ToolCallFragment, Usage
from skills.sdk.circuits import Route
from skills.sdk.providers import service_tier_of, usage_of
from skills.sdk.waiting import next_piece

VENDOR_SECONDS = 5.0
"""How much longer than ours the limits of litellm's own clients are: ours are to be the ones that strike."""

_vendor: ModuleType | None = None
_GREETING = {"role": "user", "content": "Hello."}
_REASONS: frozenset[str] = frozenset(get_args(FinishReason))


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A request to one model of one provider."""

    route: Route
    request: ModelRequest
    provider: str
    model: str
    credential: Credential
    connect_s: float
    first_byte_s: float
    idle_s: float
    total_s: float
    ignored: set[str]
    """The run's names of what was left out."""


async def vendor() -> ModuleType:
    """Litellm. The first import takes seconds, and so happens beside the event loop."""
    global _vendor  # noqa: PLW0603  # a module, once imported, is imported
    if _vendor is None:
        _vendor = await asyncio.to_thread(_imported)
    return _vendor


async def attempt(call: Call) -> AsyncGenerator[Chunk]:
    """Send the request and yield the reply as it comes. Raises a ModelFailed."""
    litellm = await vendor()
    import httpx
    from litellm.llms.base_llm.base_model_iterator import BaseModelResponseIterator

    request = broken(litellm, call.request, provider=call.provider, model=call.model, ignored=call.ignored)
    messages = await without_addresses(request.messages)
    arguments = arguments_of(
        request,
        provider=call.provider,
        model=call.model,
        credential=call.credential,
        messages=messages,
        timeout=httpx.Timeout(max(call.first_byte_s, call.idle_s) + VENDOR_SECONDS, connect=call.connect_s),
    )
    with failures.told(provider=call.provider, hidden=call.credential.secret.reveal()):
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + call.total_s
        begun_by = min(loop.time() + call.first_byte_s, ends_at)
        async with asyncio.timeout_at(begun_by):
            stream = await litellm.acompletion(**arguments)
        witness = Witness(passes_over_errors=BaseModelResponseIterator)
        witness.watch(stream)
        async with aclosing(stream):
            reported: Any = None
            about = True
            async with asyncio.timeout_at(begun_by):
                piece = await anext(stream, None)
            while piece is not None:
                reported = getattr(piece, "usage", None) or reported
                for index, words in witness.refusals():
                    yield Chunk(choice=index, refusal=words)
                for chunk in _chunks(piece, ended=witness.has_ended(stream)):
                    yield msgspec.structs.replace(chunk, about=_about(piece), reply_id=_id(piece)) if about else chunk
                    about = False
                async with next_piece(call.idle_s, ends_at=ends_at):
                    piece = await anext(stream, None)
            if (usage := _usage(stream, reported)) is not None:
                yield Chunk(usage=usage)


def _imported() -> ModuleType:
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else it asks the network for prices
    os.environ["LITELLM_MODE"] = "PRODUCTION"  # else it reads .env files
    import litellm

    litellm.suppress_debug_info = True
    litellm.turn_off_message_logging = True
    litellm.disable_streaming_logging = True
    litellm.drop_params = False
    litellm.modify_params = False
    litellm.cache = None
    for callbacks in ("callbacks", "success_callback", "failure_callback", "_async_success_callback"):
        setattr(litellm, callbacks, [])
    for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy", "openai", "httpx"):
        # Their lines carry requests and addresses, and there are variables that ask them to speak up.
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    # What the first call would import while everybody waits: clients, token counters, streams.
    import openai.resources  # noqa: F401

    litellm.completion(model="openai/gpt-4o", messages=[_GREETING], mock_response="Hello.", stream=True)
    return sys.modules["litellm"]


def _chunks(piece: Any, *, ended: bool) -> Iterator[Chunk]:
    for choice in piece.choices:
        said, reason = choice.delta, choice.finish_reason
        if reason and not ended:
            raise ModelUnreachable("The model's provider broke off its reply.")
        chunk = Chunk(
            choice=choice.index,
            text=_text(said, "content"),
            reasoning=_text(said, "reasoning_content"),
            tool_calls=tuple(_fragments(said)),
            logprobs=_plain(getattr(choice, "logprobs", None)),
            extras=_extras(said),
            finish_reason=_reason(reason),
        )
        if chunk != Chunk(choice=choice.index):
            yield chunk


def _reason(reason: Any) -> FinishReason | None:
    if not reason:
        return None
    if reason == "function_call":
        return "tool_calls"
    return cast(FinishReason, reason) if reason in _REASONS else "stop"


def _about(piece: Any) -> dict[str, Any] | None:
    """What a piece says of the whole reply."""
    found = {name: getattr(piece, name, None) for name in ("service_tier", "system_fingerprint")}
    return found if any(found.values()) else None


def _id(piece: Any) -> str:
    found = getattr(piece, "id", None)
    return found if isinstance(found, str) else ""


def _text(said: Any, name: str) -> str:
    value = getattr(said, name, None)
    return value if isinstance(value, str) else ""


def _fragments(said: Any) -> Iterator[ToolCallFragment]:
    """The pieces of calls, also of the one call that older servers make."""
    for call in getattr(said, "tool_calls", None) or ():
        function = call.function
        yield ToolCallFragment(
            index=call.index, id=call.id or "", name=function.name or "", arguments=function.arguments or ""
        )
    if function := getattr(said, "function_call", None):
        yield ToolCallFragment(index=0, name=function.name or "", arguments=function.arguments or "")


def _extras(said: Any) -> dict[str, Any] | None:
    found = {name: _plain(getattr(said, name, None)) for name in ("annotations", "audio")}
    return {name: value for name, value in found.items() if value} or None


def _plain(value: Any) -> Any:
    return value.model_dump(exclude_none=True) if hasattr(value, "model_dump") else value


def _usage(stream: Any, final: Any) -> Usage | None:
    """The usage, if the provider reported one: where it did not, litellm makes one up."""
    reported = [piece.usage for piece in stream.chunks if getattr(piece, "usage", None) is not None]
    if not reported:
        return None
    final = final or reported[-1]
    for name in ("prompt_tokens", "completion_tokens"):
        if all(getattr(usage, name, None) != getattr(final, name) for usage in reported):
            return None
    spoke = any(choice.delta.content or choice.delta.tool_calls for piece in stream.chunks for choice in piece.choices)
    usage = usage_of(final.model_dump(), spoke=spoke)
    told = (service_tier_of(getattr(piece, "service_tier", None)) for piece in reversed(stream.chunks))
    served = next(filter(None, told), "")
    return msgspec.structs.replace(usage, service_tier=served) if usage and served else usage
