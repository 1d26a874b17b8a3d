"""Builds the body of a request from what the API takes; what it cannot take is refused by name."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, Literal, TypeAlias

import msgspec

from skills.anthropic.blocks import text_block
from skills.anthropic.messages import Thoughts, has_all_thoughts, system_of, turns_of
from skills.anthropic.names import Names
from skills.anthropic.thinking import OFF, Mode, effort_of, thinking_of, thinks
from skills.anthropic.tools import FORCING, choice_of, tools_of
from skills.sdk import Message, ModelRejected, ModelRequest, RunContext

Lifetime: TypeAlias = Literal["off", "5m", "1h"]

DEFAULT_MAX_TOKENS = 8_192
"""The API wants a limit always; this one holds where nothing is charged by the token."""
MOST_TEMPERATURE = 1.0
HANDLED = frozenset(
    (
        "parallel_tool_calls", "reasoning_effort", "response_format", "safety_identifier", "service_tier", "stop",
        "temperature", "thinking", "tool_choice", "top_k", "top_p", "user",
    )
)  # fmt: skip
NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "n": (1,),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "logprobs": (False,),
    "store": (False,),
    "modalities": (["text"],),
    "logit_bias": ({},),
}
"""Values that ask for what the model does anyway."""
ONLY_JSON = "Answer with one JSON object and with nothing else: no words around it, no code fence."


class Style(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent's owner chose."""

    thinking: Mode
    thinking_budget_tokens: int
    cache: Lifetime


def body_of(
    ctx: RunContext,
    request: ModelRequest,
    *,
    model: str,
    names: Names,
    thoughts: Thoughts,
    style: Style,
    schema: Mapping[str, Any] | None,
) -> bytes:
    """The request as JSON; `schema` is what the answer has to follow, as the API takes it.

    Raises ModelRejected for a field that these models cannot be sent.
    """
    parameters = request.parameters
    _check(parameters)
    max_tokens = DEFAULT_MAX_TOKENS if request.max_output_tokens is None else request.max_output_tokens
    turns = turns_of(request.messages, names=names, thoughts=thoughts)
    choice = parameters.get("tool_choice")
    tools = tools_of(request.tools, choice, names=names)
    tool_choice = choice_of(choice, parallel=parameters.get("parallel_tool_calls"), names=names) if tools else None
    thinking = thinking_of(parameters, mode=style.thinking, budget=style.thinking_budget_tokens, max_tokens=max_tokens)
    if thinks(thinking) and not _may_think(thinking, turns, tool_choice):
        thinking = dict(OFF)
    system = system_of(request.messages)
    if parameters.get("response_format", {}).get("type") == "json_object":
        system.append(text_block(ONLY_JSON))
    _mark(system, tools, style.cache)
    body = {
        "model": model,
        "max_tokens": max_tokens,
        "messages": turns,
        "stream": True,
        "system": system or None,
        "tools": tools or None,
        "tool_choice": tool_choice,
        "thinking": thinking,
        "output_config": _output(effort_of(parameters, thinking), schema),
        "stop_sequences": _stops(parameters.get("stop")),
        "metadata": _metadata(ctx, parameters),
        "service_tier": {"auto": "auto", "default": "standard_only"}.get(str(parameters.get("service_tier"))),
        **_sampling(ctx, parameters, is_thinking=thinks(thinking)),
    }
    return msgspec.json.encode({name: value for name, value in body.items() if value is not None})


def _check(parameters: Mapping[str, Any]) -> None:
    for name, value in parameters.items():
        if name in HANDLED or value is None or value in NEUTRAL.get(name, ()):
            continue
        raise ModelRejected(f"Models of Anthropic take no {name!r}.", parameter=name, code="unsupported_parameter")
    temperature = parameters.get("temperature")
    if temperature is not None and temperature > MOST_TEMPERATURE:
        raise ModelRejected(
            f"Models of Anthropic take a temperature from 0 to {MOST_TEMPERATURE:g}.",
            parameter="temperature",
            code="invalid_value",
        )


def _may_think(thinking: Mapping[str, Any] | None, turns: Sequence[Message], choice: Mapping[str, Any] | None) -> bool:
    """Who has to use a tool may not think first; nor, with a budget, go on with a turn whose thoughts are gone."""
    if choice is not None and choice["type"] in FORCING:
        return False
    return thinking is None or thinking["type"] != "enabled" or has_all_thoughts(turns)


def _output(effort: str | None, schema: Mapping[str, Any] | None) -> dict[str, Any] | None:
    config: dict[str, Any] = {}
    if effort is not None:
        config["effort"] = effort
    if schema is not None:
        config["format"] = {"type": "json_schema", "schema": schema}
    return config or None


def _stops(stop: Any) -> list[str] | None:
    """Where to stop; the API takes no sequence that is empty or only space."""
    sequences = [stop] if isinstance(stop, str) else stop or []
    return [sequence for sequence in sequences if sequence.strip()] or None


def _metadata(ctx: RunContext, parameters: Mapping[str, Any]) -> dict[str, str] | None:
    """The end user under a name that says nothing: what an organization calls its users stays here."""
    user = parameters.get("safety_identifier") or parameters.get("user")
    if not user:
        return None
    return {"user_id": sha256(f"{ctx.caller.organization_id}:{user}".encode(errors="replace")).hexdigest()}


def _sampling(ctx: RunContext, parameters: Mapping[str, Any], *, is_thinking: bool) -> dict[str, Any]:
    """How words are drawn. A model that thinks draws in its own way: what was asked is left out, and named."""
    asked = {name: parameters[name] for name in ("temperature", "top_p", "top_k") if parameters.get(name) is not None}
    if not is_thinking:
        return asked
    ctx.ignored.update(name for name, value in asked.items() if (name, value) != ("temperature", 1))
    return {}


def _mark(system: list[dict[str, Any]], tools: list[dict[str, Any]], lifetime: Lifetime) -> None:
    """Let the provider's cache end behind what an agent says in every call: its tools, then its instructions."""
    if lifetime == "off":
        return
    last = system or tools
    if last:
        last[-1] = {**last[-1], "cache_control": {"type": "ephemeral", "ttl": lifetime}}
