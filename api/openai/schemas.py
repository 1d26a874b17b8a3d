"""A Chat Completions request, decoded once and checked whole."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from agents.services.run_stream import RunRequest
from api.openai import parameters
from api.openai.decoding import Fields, decoded, fields_of
from api.openai.messages import Message, messages_of
from api.openai.tools import Tool, choice_of, tools_of
from api.problems import InvalidRequest
from skills.sdk.parameters import VENDORS
from tenants.secret import Secret


@dataclass(frozen=True, kw_only=True)
class Completion:
    """What a client asks for. `parameters` are the fields that reach the model, by their OpenAI names.

    `ignored` names the fields that no model is sent; `legacy` says that the client calls tools "functions".
    """

    model: str | None
    messages: list[Message]
    tools: tuple[Tool, ...]
    parameters: dict[str, Any]
    max_output_tokens: int | None
    stream: bool
    include_usage: bool
    obfuscate: bool
    end_user: str | None
    legacy: bool
    ignored: tuple[str, ...]
    size_bytes: int

    def as_run(
        self,
        *,
        run_id: UUID,
        request_id: str,
        conversation_id: str | None = None,
        max_cost_nanos: int | None = None,
        payment_token: Secret | None = None,
        retry_of: UUID | None = None,
    ) -> RunRequest:
        """The run that is asked for."""
        return RunRequest(
            run_id=run_id,
            request_id=request_id,
            messages=self.messages,
            client_tools=self.tools,
            parameters=self.parameters,
            max_output_tokens=self.max_output_tokens,
            stream=self.stream,
            end_user=self.end_user,
            conversation_id=conversation_id,
            body_bytes=self.size_bytes,
            max_cost_nanos=max_cost_nanos,
            payment_token=payment_token,
            retry_of=retry_of,
        )


def decode(body: bytes) -> Completion:
    """The request that `body` is. Raises InvalidRequest with the field it is about."""
    fields = fields_of(body)
    ignored = _ignored(fields)
    stream = bool(decoded("stream", fields["stream"], parameters.stream)) if "stream" in fields else False
    options = _stream_options(fields, stream=stream)
    legacy = "functions" in fields or ("function_call" in fields and "tools" not in fields)
    messages = messages_of(fields, ignored)
    tools = tools_of(fields)
    values = _parameters(fields, legacy=legacy)
    return Completion(
        model=decoded("model", fields["model"], parameters.model_name) if "model" in fields else None,
        messages=messages,
        tools=tools,
        parameters=values,
        max_output_tokens=_max_output_tokens(fields),
        stream=stream,
        include_usage=bool(options.include_usage),
        obfuscate=bool(options.include_obfuscation),
        end_user=values.get("safety_identifier") or values.get("user"),
        legacy=legacy,
        ignored=tuple(sorted(ignored)),
        size_bytes=len(body),
    )


def _ignored(fields: Fields) -> set[str]:
    """The fields to leave out. Whatever nobody has heard of is refused: it may be meant to steer the platform."""
    unheard = fields.keys() - parameters.PARAMETERS - parameters.HANDLED - VENDORS
    for name in sorted(unheard - parameters.IGNORED):
        shown = name[:64]
        raise InvalidRequest(f"Unrecognized request argument: '{shown}'.", code="unknown_parameter", param=shown)
    return set(unheard)


def _stream_options(fields: Fields, *, stream: bool) -> parameters.StreamOptions:
    given = None
    if "stream_options" in fields:
        given = decoded("stream_options", fields["stream_options"], parameters.stream_options)
    if given is not None and not stream:
        raise InvalidRequest("'stream_options' is only allowed when 'stream' is true.", param="stream_options")
    return given or parameters.StreamOptions()


def _max_output_tokens(fields: Fields) -> int | None:
    limits = [
        limit
        for name in ("max_completion_tokens", "max_tokens")
        if name in fields and (limit := decoded(name, fields[name], parameters.max_tokens)) is not None
    ]
    if len(set(limits)) > 1:
        raise InvalidRequest(
            "'max_tokens' is the old name of 'max_completion_tokens'. Send one of them.", param="max_tokens"
        )
    return limits[0] if limits else None


def _parameters(fields: Fields, *, legacy: bool) -> dict[str, Any]:
    values = parameters.parameters_of(fields)
    if values.get("top_logprobs") is not None and not values.get("logprobs"):
        raise InvalidRequest("'top_logprobs' is only allowed when 'logprobs' is true.", param="top_logprobs")
    choice = choice_of(fields)
    if choice is not None:
        values["tool_choice"] = choice
    if legacy:
        values["parallel_tool_calls"] = False
    return values
