"""Every documented field of a Chat Completions request besides messages and tools: its type and its range."""

from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta

from api.openai.decoding import MAX_INTEGER, Fields, decoded
from api.openai.tools import Schema
from api.problems import InvalidRequest
from skills.sdk.formats import InvalidSchema, check_strict
from skills.sdk.parameters import VENDORS

_MAX_TOKENS = 2**31 - 1
_SHORT = 512
LONGEST_OF_VENDORS = 262_144

Penalty: TypeAlias = Annotated[float, Meta(ge=-2, le=2)]
Tokens: TypeAlias = Annotated[int, Meta(ge=1, le=_MAX_TOKENS)]
ModelName: TypeAlias = Annotated[str, Meta(max_length=256)]
Short: TypeAlias = Annotated[str, Meta(max_length=_SHORT)]
Level: TypeAlias = Literal["low", "medium", "high"]
Bias: TypeAlias = Annotated[int, Meta(ge=-100, le=100)] | Annotated[float, Meta(ge=-100, le=100)]
Stop: TypeAlias = str | Annotated[list[str], Meta(max_length=4)]
Integer: TypeAlias = Annotated[int, Meta(ge=-MAX_INTEGER, le=MAX_INTEGER)]


class _Part(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A piece of a parameter: nothing but the fields it declares."""


class TextFormat(_Part, tag="text"):
    """Plain text."""


class JsonFormat(_Part, tag="json_object"):
    """Any JSON object."""


class SchemaFormat(_Part):
    """A JSON Schema and its name."""

    name: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[a-zA-Z0-9_-]+$")]
    schema: Schema | None = None
    description: str | None = None
    strict: bool | None = None


class JsonSchemaFormat(_Part, tag="json_schema"):
    """JSON that follows a schema."""

    json_schema: SchemaFormat


class VoiceId(_Part):
    """A voice of the client's own."""

    id: Short


class Audio(_Part):
    """How a spoken reply should sound."""

    format: Literal["wav", "aac", "mp3", "flac", "opus", "pcm16"]
    voice: Short | VoiceId


class PredictedText(_Part, tag="text"):
    """A piece of a prediction."""

    text: str


class Prediction(_Part, tag="content"):
    """Text that the reply will largely repeat."""

    content: str | Annotated[list[PredictedText], Meta(max_length=2_048)]


class Place(_Part):
    """Roughly where the user is."""

    city: Short | None = None
    country: Short | None = None
    region: Short | None = None
    timezone: Short | None = None


class Location(_Part, tag="approximate"):
    """Where the user is, as far as a web search needs it."""

    approximate: Place


class WebSearch(_Part):
    """How the model should search the web."""

    search_context_size: Level | None = None
    user_location: Location | None = None


class CacheOptions(_Part):
    """Where the provider's prompt cache begins, and for how long it keeps."""

    mode: Literal["implicit", "explicit"] | None = None
    ttl: Literal["30m"] | None = None


class ModerationMode(_Part):
    """Whether findings are only scored."""

    mode: Literal["score", "block"]


class ModerationPolicy(_Part):
    """What is done with the question and with the answer."""

    input: ModerationMode | None = None
    output: ModerationMode | None = None


class Moderation(_Part):
    """Moderation by the provider."""

    model: Short
    policy: ModerationPolicy | None = None


class StreamOptions(_Part):
    """What a stream carries besides the answer."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


TYPES: dict[str, Any] = {
    "audio": Audio,
    "frequency_penalty": Penalty,
    "logit_bias": Annotated[dict[str, Bias], Meta(max_length=1024)],
    "logprobs": bool,
    "metadata": Annotated[
        dict[Annotated[str, Meta(max_length=64)], Annotated[str, Meta(max_length=512)]], Meta(max_length=16)
    ],
    "modalities": Annotated[list[Literal["text", "audio"]], Meta(min_length=1, max_length=2)],
    "moderation": Moderation,
    "n": Annotated[int, Meta(ge=1, le=128)],
    "parallel_tool_calls": bool,
    "prediction": Prediction,
    "presence_penalty": Penalty,
    "prompt_cache_key": Short,
    "prompt_cache_options": CacheOptions,
    "prompt_cache_retention": Literal["in_memory", "in-memory", "24h"],
    "reasoning_effort": Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"],
    "response_format": TextFormat | JsonFormat | JsonSchemaFormat,
    "safety_identifier": Short,
    "seed": Integer,
    "service_tier": Literal["auto", "default", "flex", "scale", "priority", "fast"],
    "stop": Stop,
    "store": bool,
    "temperature": Annotated[float, Meta(ge=0, le=2)],
    "top_logprobs": Annotated[int, Meta(ge=0, le=20)],
    "top_p": Annotated[float, Meta(ge=0, le=1)],
    "user": Short,
    "verbosity": Level,
    "web_search_options": WebSearch,
}
_DECODERS = {name: msgspec.json.Decoder(kind | None) for name, kind in TYPES.items()}

_any = msgspec.json.Decoder()

max_tokens = msgspec.json.Decoder(Tokens | None)
model_name = msgspec.json.Decoder(ModelName | None)
stream = msgspec.json.Decoder(bool | None)
stream_options = msgspec.json.Decoder(StreamOptions | None)

PARAMETERS = frozenset(TYPES)
"""Fields of OpenAI's that reach the model under their own name."""

HANDLED = frozenset(
    {
        "function_call", "functions", "max_completion_tokens", "max_tokens", "messages", "model", "stream",
        "stream_options", "tool_choice", "tools",
    }
)  # fmt: skip
"""Fields that the platform itself acts on."""

IGNORED = frozenset(("best_of", "num_predict", "search_parameters", "usage", "use_beam_search"))
"""Fields of other vendors that no model is ever sent: they cost more than a run counts, or unset its limits."""


def parameters_of(fields: Fields) -> dict[str, Any]:
    """What the request sets of the fields that reach a model; null is the same as absent."""
    values = {}
    for name, raw in fields.items():
        if decoder := _DECODERS.get(name):
            if (value := decoded(name, raw, decoder)) is not None:
                values[name] = msgspec.to_builtins(value)
                if isinstance(value, JsonSchemaFormat):
                    _check_schema(value.json_schema)
        elif name in VENDORS and (value := _vendors(name, raw)) is not None:
            values[name] = value
    return values


def _check_schema(asked: SchemaFormat) -> None:
    """A strict schema is one that models can be held to, and replies checked against."""
    if not asked.strict:
        return
    param = "response_format.json_schema.schema"
    if asked.schema is None:
        raise InvalidRequest(f"'{param}' is required.", code="missing_required_parameter", param=param)
    try:
        check_strict(asked.schema)
    except InvalidSchema as error:
        raise InvalidRequest(f"Invalid schema for response_format '{asked.name}': {error}", param=param) from None


def _vendors(name: str, raw: msgspec.Raw) -> Any:
    """A field of another vendor's, as it came: what it may hold is for the model's own server to say."""
    if memoryview(raw).nbytes > LONGEST_OF_VENDORS:
        raise InvalidRequest(f"'{name}' is longer than {LONGEST_OF_VENDORS} bytes.", param=name)
    return decoded(name, raw, _any)
