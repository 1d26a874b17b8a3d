"""The model parameters and run limits that an agent's owner may set, with their bounds."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from skills.sdk.formats import check_strict

Penalty = Annotated[float, Field(ge=-2, le=2)]


def _checked_format(asked: dict[str, Any]) -> dict[str, Any]:
    """A form that requests could ask for, too."""
    kind, described = asked.get("type"), asked.get("json_schema")
    if kind not in ("text", "json_object", "json_schema"):
        raise ValueError("'type' must be 'text', 'json_object' or 'json_schema'.")
    if kind == "json_schema":
        if not isinstance(described, dict) or not isinstance(described.get("schema"), dict):
            raise ValueError("'json_schema' must hold a 'name' and a 'schema'.")
        if described.get("strict"):
            check_strict(described["schema"])
    return asked


class Sampling(BaseModel):
    """Defaults of a model's parameters, by their OpenAI names. A request overrides those that are not locked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=0, le=1000)] | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    seed: Annotated[int, Field(ge=-(2**53), le=2**53)] | None = None
    stop: str | Annotated[list[str], Field(max_length=4)] | None = None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None = None
    verbosity: Literal["low", "medium", "high"] | None = None
    parallel_tool_calls: bool | None = None
    response_format: Annotated[dict[str, Any], AfterValidator(_checked_format)] | None = None
    service_tier: Literal["auto", "default", "flex", "priority"] | None = None


INSTRUCTIONS = "instructions"
LOCKABLE = (*Sampling.model_fields, INSTRUCTIONS)
"""What an owner may lock: parameters, and the agent's instructions, to which requests then add none of their own."""


class Limits(BaseModel):
    """Limits of a run that an owner may set; what is left out stays at the platform's default."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    turns: Annotated[int, Field(ge=1, le=100)] | None = None
    seconds: Annotated[float, Field(ge=1, le=3600)] | None = None
    tool_seconds: Annotated[float, Field(ge=1, le=600)] | None = None
    parallel_tools: Annotated[int, Field(ge=1, le=64)] | None = None
    output_tokens: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    cost_nanos: Annotated[int, Field(ge=1, le=10**12, description="The most a run costs its caller.")] | None = None
    tool_result_bytes: Annotated[int, Field(ge=1024, le=1_000_000)] | None = None
    repairs: Annotated[int, Field(ge=0, le=10)] | None = None

    def set_by_owner(self) -> dict[str, Any]:
        """The limits that differ from the defaults."""
        return self.model_dump(exclude_none=True)
