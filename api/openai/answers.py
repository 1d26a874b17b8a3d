"""What the plain endpoints answer, as types: for the API document and for the tests that hold the wire to it."""

from typing import Any, Literal

import msgspec


class _Shape(msgspec.Struct, kw_only=True):
    """Something that is answered."""


class FunctionCalled(_Shape):
    """A function's name, and its arguments as JSON."""

    name: str
    arguments: str


class ToolCall(_Shape):
    """A call of one of the client's tools, for the client to carry out."""

    id: str
    type: Literal["function"]
    function: FunctionCalled


class Message(_Shape):
    """What the agent answers."""

    role: Literal["assistant"]
    content: str | None
    refusal: str | None
    annotations: list[dict[str, Any]] | msgspec.UnsetType = msgspec.UNSET
    audio: dict[str, Any] | msgspec.UnsetType | None = msgspec.UNSET
    tool_calls: list[ToolCall] | msgspec.UnsetType = msgspec.UNSET
    function_call: FunctionCalled | msgspec.UnsetType | None = msgspec.UNSET


class Choice(_Shape):
    """One of the answers."""

    index: int
    message: Message
    logprobs: dict[str, Any] | None
    finish_reason: Literal["stop", "length", "tool_calls", "content_filter", "function_call"]


class InputDetails(_Shape):
    """Parts of the input."""

    cached_tokens: int
    audio_tokens: int


class OutputDetails(_Shape):
    """Parts of the output."""

    reasoning_tokens: int
    audio_tokens: int
    accepted_prediction_tokens: int
    rejected_prediction_tokens: int


class CompletionUsage(_Shape):
    """The tokens of all model calls of the run."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: InputDetails
    completion_tokens_details: OutputDetails


class ChatCompletion(_Shape):
    """A whole completion, as OpenAI's SDKs read it."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[Choice]
    usage: CompletionUsage
    service_tier: str | None
    system_fingerprint: str | None


class Embedding(_Shape):
    """One vector: numbers, or 32-bit floats packed in base64."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class EmbeddingUsage(_Shape):
    """The tokens of all inputs."""

    prompt_tokens: int
    total_tokens: int


class Embeddings(_Shape):
    """Vectors in the order of their inputs."""

    object: Literal["list"]
    data: list[Embedding]
    model: str
    usage: EmbeddingUsage


class Fault(_Shape):
    """What went wrong, what to do about it, and which parameter it is about."""

    message: str
    type: str
    code: str
    param: str | None
    metadata: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    retry_after: int | msgspec.UnsetType = msgspec.UNSET


class Error(_Shape):
    """A refusal, in OpenAI's shape. A 404 says its words twice."""

    error: Fault
    detail: str | msgspec.UnsetType = msgspec.UNSET


class Model(_Shape):
    """An agent, as a model of OpenAI's."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class ModelList(_Shape):
    """The agents that the key may call."""

    object: Literal["list"]
    data: list[Model]


class AgentPricing(_Shape):
    """What the agent's owner asks, in exact dollars; null where the model's own price holds."""

    currency: Literal["USD"]
    per_run: str
    markup_percent: str
    per_million_input_tokens: str | None
    per_million_output_tokens: str | None


class AgentData(_Shape):
    """What an agent can do, and at which price."""

    name: str
    capabilities: list[str]
    skills: list[str]
    tools: list[str]
    model: str
    pricing: AgentPricing


class AgentEndpoints(_Shape):
    """Where the agent is reached."""

    control: str
    info: str
    chat: str
    http: list[str] | msgspec.UnsetType = msgspec.UNSET


class Agent(_Shape):
    """An agent as it introduces itself."""

    name: str
    agent: str
    description: str
    agent_data: AgentData
    endpoints: AgentEndpoints


class Platform(_Shape):
    """The platform's own introduction."""

    message: str
    version: str
    agents: list[str]
    endpoints: dict[str, str]
