"""Every field of OpenAI's request types is known to us: a newer SDK with more of them fails here, by name."""

from collections.abc import Iterator
from typing import Any, get_args

import msgspec
import pytest
from openai.types.chat.completion_create_params import (
    CompletionCreateParamsNonStreaming,
    CompletionCreateParamsStreaming,
)
from typing_extensions import get_type_hints, is_typeddict

from api.openai import messages, parameters, tools
from skills.sdk.parameters import OPENAI, VENDORS

OURS: dict[str, type[msgspec.Struct]] = {
    "Audio": messages.AudioId,
    "ChatCompletionAllowedToolChoiceParam": tools.AllowedChoice,
    "ChatCompletionAllowedToolsParam": tools.Allowed,
    "ChatCompletionAssistantMessageParam": messages.Assistant,
    "ChatCompletionAudioParam": parameters.Audio,
    "ChatCompletionContentPartImageParam": messages.Image,
    "ChatCompletionContentPartInputAudioParam": messages.InputAudio,
    "ChatCompletionContentPartRefusalParam": messages.Refusal,
    "ChatCompletionContentPartTextParam": messages.Text,
    "ChatCompletionDeveloperMessageParam": messages.Developer,
    "ChatCompletionFunctionCallOptionParam": tools.Named,
    "ChatCompletionFunctionMessageParam": messages.FunctionResult,
    "ChatCompletionFunctionToolParam": tools.FunctionTool,
    "ChatCompletionMessageFunctionToolCallParam": messages.Call,
    "ChatCompletionNamedToolChoiceParam": tools.NamedChoice,
    "ChatCompletionPredictionContentParam": parameters.Prediction,
    "ChatCompletionStreamOptionsParam": parameters.StreamOptions,
    "ChatCompletionSystemMessageParam": messages.System,
    "ChatCompletionToolMessageParam": messages.ToolResult,
    "ChatCompletionUserMessageParam": messages.User,
    "File": messages.File,
    "FileFile": messages.FileData,
    "FilePromptCacheBreakpoint": messages.CacheBreakpoint,
    "FunctionCall": messages.Function,
    "chat_completion_message_function_tool_call_param.Function": messages.Function,
    "chat_completion_named_tool_choice_param.Function": tools.Named,
    "completion_create_params.Function": tools.Definition,
    "FunctionDefinition": tools.Definition,
    "ImageURL": messages.ImageUrl,
    "InputAudio": messages.AudioData,
    "JSONSchema": parameters.SchemaFormat,
    "Moderation": parameters.Moderation,
    "ModerationPolicy": parameters.ModerationPolicy,
    "ModerationPolicyInput": parameters.ModerationMode,
    "ModerationPolicyOutput": parameters.ModerationMode,
    "PromptCacheBreakpoint": messages.CacheBreakpoint,
    "PromptCacheOptions": parameters.CacheOptions,
    "ResponseFormatJSONObject": parameters.JsonFormat,
    "ResponseFormatJSONSchema": parameters.JsonSchemaFormat,
    "ResponseFormatText": parameters.TextFormat,
    "VoiceID": parameters.VoiceId,
    "WebSearchOptions": parameters.WebSearch,
    "WebSearchOptionsUserLocation": parameters.Location,
    "WebSearchOptionsUserLocationApproximate": parameters.Place,
}
"""Which of our types reads which of OpenAI's."""

REFUSED = {
    "ChatCompletionCustomToolParam", "ChatCompletionMessageCustomToolCallParam",
    "ChatCompletionNamedToolChoiceCustomParam",
    "Custom", "CustomFormatGrammar", "CustomFormatGrammarGrammar", "CustomFormatText",
}  # fmt: skip
"""Custom tools are refused by their type, whatever else they say."""


def typed_dicts(kind: Any) -> Iterator[Any]:
    """OpenAI's types inside a type, itself included."""
    if is_typeddict(kind):
        yield kind
        for member in get_type_hints(kind).values():
            yield from typed_dicts(member)
    else:
        for part in get_args(kind):
            yield from typed_dicts(part)


def named(kind: Any) -> str:
    """A type's name, with that of its module where several have the same."""
    name: str = kind.__name__
    return f"{kind.__module__.rpartition('.')[2]}.{name}" if name == "Function" else name


TOP = (CompletionCreateParamsNonStreaming, CompletionCreateParamsStreaming)
NESTED = {named(kind): kind for top in TOP for kind in typed_dicts(top) if kind not in TOP}


@pytest.mark.parametrize("name", sorted({name for top in TOP for name in get_type_hints(top)}))
def test_a_field_of_a_request_is_known(name: str) -> None:
    assert name in parameters.PARAMETERS | parameters.HANDLED


@pytest.mark.parametrize("name", sorted(NESTED))
def test_a_field_inside_a_request_is_known(name: str) -> None:
    if name in REFUSED:
        return
    ours = OURS[name]
    config = ours.__struct_config__
    known = {*ours.__struct_encode_fields__, *([config.tag_field] if config.tag_field else [])}

    assert set(get_type_hints(NESTED[name])) - known == set()


def test_nothing_is_kept_that_openai_no_longer_has() -> None:
    documented = {name for top in TOP for name in get_type_hints(top)}

    assert documented == parameters.PARAMETERS | parameters.HANDLED
    assert OURS.keys() | REFUSED == NESTED.keys()


def test_models_are_sent_the_fields_that_requests_are_read_for() -> None:
    assert parameters.PARAMETERS | {"tool_choice"} == OPENAI
    assert not VENDORS & (OPENAI | parameters.IGNORED | parameters.HANDLED)
