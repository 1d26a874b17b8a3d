"""What a tool's arguments look like: JSON schema from type hints, and arguments checked against it."""

import dataclasses
import inspect
import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints, is_typeddict

import typing_extensions
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError
from pydantic.json_schema import GenerateJsonSchema

from skills.sdk.context import RunContext
from skills.sdk.docstrings import described
from skills.sdk.errors import ToolRetry

_FAULTS_TOLD = 8


class Arguments:
    """The arguments of one function: their JSON schema, and the way from the model's JSON to Python values.

    A parameter called `ctx`, or annotated as RunContext, is the platform's to give and hidden from the model.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.context_parameter: str | None = None
        self._name = getattr(function, "__qualname__", "tool")
        told = described(function).arguments
        hints = _hints(function, self._name)
        fields: list[tuple[str, Any, Any]] = []
        for name, parameter in inspect.signature(function).parameters.items():
            if name == "ctx" or hints.get(name) is RunContext:
                self.context_parameter = name
            elif parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
                raise TypeError(f"{self._name}: {name!r} must be an ordinary or keyword-only parameter of a tool.")
            elif name not in hints:
                raise TypeError(f"{self._name}: the parameter {name!r} needs a type hint.")
            else:
                fields.append(_field(name, hints[name], parameter.default, told.get(name)))
        self._adapter, self.schema = _compiled(self._name, fields)
        self._lenient = frozenset(name for name, hint, default in fields if _null_means_absent(hint, default))

    def parse(self, raw: str) -> dict[str, Any]:
        """Python values from the JSON that a model wrote; raises a ToolRetry that says what is wrong."""
        return self.check(parsed_object(raw))

    def check(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Python values from decoded JSON. Null for a parameter that has a default but takes no null means absent."""
        kept = {name: value for name, value in given.items() if value is not None or name not in self._lenient}
        try:
            checked = self._adapter.validate_json(json.dumps(kept))
        except ValidationError as error:
            raise ToolRetry(f"Invalid arguments: {_explained(error)}.") from None
        return {field.name: getattr(checked, field.name) for field in dataclasses.fields(checked)}

    def strict_schema(self) -> dict[str, Any]:
        """The schema in OpenAI's strict form: every property required, what was optional nullable, nothing further."""
        return _strict(deepcopy(self.schema))


class GivenArguments:
    """Arguments that somebody else's schema describes, handed on as they are: who wrote it checks them.

    A function has them as `__robutler_arguments__`; it takes `ctx` and all of them in one mapping, `arguments`.
    """

    context_parameter: str | None = "ctx"

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self.schema = dict(schema)

    def parse(self, raw: str) -> dict[str, Any]:
        """What the model wrote, if it is an object; raises a ToolRetry if not."""
        return self.check(parsed_object(raw))

    def check(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The object, as one argument."""
        return {"arguments": dict(given)}


def arguments_of(function: Callable[..., Any]) -> Arguments | GivenArguments:
    """What the function takes: as its type hints say, or as it was given."""
    given: GivenArguments | None = getattr(function, "__robutler_arguments__", None)
    return Arguments(function) if given is None else given


def parsed_object(raw: str) -> dict[str, Any]:
    """The JSON object that a model wrote as a call's arguments; nothing at all counts as an empty one."""
    try:
        given = json.loads(raw.strip() or "{}")
    except (ValueError, RecursionError) as error:
        where = f" ({error})" if isinstance(error, ValueError) else ""
        raise ToolRetry(f"The arguments are not valid JSON{where}. Send one JSON object.") from None
    if not isinstance(given, dict):
        raise ToolRetry("The arguments must be one JSON object.")
    return given


class _Untitled(GenerateJsonSchema):
    """Leaves out the titles that pydantic makes of names: they tell a model nothing and cost tokens."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def _hints(function: Callable[..., Any], name: str) -> dict[str, Any]:
    try:
        hints = get_type_hints(function, include_extras=True)
    except NameError as error:
        raise TypeError(f"{name}: a type hint cannot be resolved ({error}); import it at run time.") from None
    return {parameter: _readable(hint) for parameter, hint in hints.items()}


def _readable(hint: Any) -> Any:
    """The hint with every TypedDict made one that pydantic can read: on Python 3.11 it refuses `typing`'s own."""
    if is_typeddict(hint):
        keys = get_type_hints(hint, include_extras=True)
        members = {
            key: _readable(_bare(part))
            if key in hint.__required_keys__
            else typing_extensions.NotRequired[_readable(_bare(part))]
            for key, part in keys.items()
        }
        return typing_extensions.TypedDict(hint.__name__, members)  # type: ignore[operator]  # made at run time
    parts = get_args(hint)
    if isinstance(hint, UnionType):
        return Union[tuple(map(_readable, parts))]  # noqa: UP007  # built of what is only known now
    if get_origin(hint) is Annotated:
        return Annotated[_readable(parts[0]), *hint.__metadata__]
    if parts and hasattr(hint, "copy_with"):
        return hint.copy_with(tuple(map(_readable, parts)))
    if parts and get_origin(hint) in (list, dict, tuple, set, frozenset):
        return get_origin(hint)[tuple(map(_readable, parts))]
    return hint


def _bare(hint: Any) -> Any:
    """Without Required[] and NotRequired[], which the class has read already."""
    wrapped = get_origin(hint) in (typing_extensions.Required, typing_extensions.NotRequired)
    return get_args(hint)[0] if wrapped else hint


def _field(name: str, hint: Any, default: Any, description: str | None) -> tuple[str, Any, Any]:
    if description:
        hint = Annotated[hint, Field(description=description)]
    if default is inspect.Parameter.empty:
        return name, hint, dataclasses.field()
    if type(default).__hash__ is None:
        hint = Annotated[hint, Field(json_schema_extra={"default": default})]
        return name, hint, dataclasses.field(default_factory=lambda: deepcopy(default))
    return name, hint, dataclasses.field(default=default)


def _compiled(name: str, fields: list[tuple[str, Any, Any]]) -> tuple[TypeAdapter[Any], dict[str, Any]]:
    arguments = dataclasses.make_dataclass("Arguments", fields, kw_only=True)
    arguments.__pydantic_config__ = ConfigDict(extra="forbid", arbitrary_types_allowed=False)  # type: ignore[attr-defined]
    arguments.__doc__ = None
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(arguments)
        schema = adapter.json_schema(schema_generator=_Untitled)
    except (PydanticSchemaGenerationError, PydanticUserError) as error:
        raise TypeError(f"{name}: a parameter's type has no JSON schema ({error.message.splitlines()[0]})") from None
    schema.pop("title", None)
    for definition in schema.get("$defs", {}).values():
        definition.pop("title", None)
    schema.setdefault("properties", {})
    return adapter, schema


def _null_means_absent(hint: Any, field: Any) -> bool:
    if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
        return False
    try:
        TypeAdapter(hint).validate_python(None)
    except ValidationError:
        return True
    return False


def _explained(error: ValidationError) -> str:
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    told = [f"{'.'.join(map(str, fault['loc'])) or 'arguments'}: {fault['msg']}" for fault in faults[:_FAULTS_TOLD]]
    if len(faults) > _FAULTS_TOLD:
        told.append(f"and {len(faults) - _FAULTS_TOLD} more")
    return "; ".join(told)


def _strict(schema: dict[str, Any]) -> dict[str, Any]:
    """One level of a schema and all below it. Works in place, on a copy of ours."""
    schema.pop("default", None)
    properties: dict[str, Any] | None = schema.get("properties")
    if properties is not None or schema.get("type") == "object":
        required = set(schema.get("required", ()))
        schema["properties"] = {
            name: _strict(part) if name in required else _nullable(_strict(part))
            for name, part in (properties or {}).items()
        }
        schema["required"] = list(schema["properties"])
        schema["additionalProperties"] = False
    for keyword in ("$defs", "definitions"):
        for part in schema.get(keyword, {}).values():
            _strict(part)
    for keyword in ("anyOf", "oneOf", "allOf", "prefixItems"):
        for part in schema.get(keyword, ()):
            _strict(part)
    if isinstance(schema.get("items"), dict):
        _strict(schema["items"])
    return schema


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    if any(part.get("type") == "null" for part in schema.get("anyOf", ())):
        return schema
    description = {"description": schema.pop("description")} if "description" in schema else {}
    return {"anyOf": [schema, {"type": "null"}], **description}
