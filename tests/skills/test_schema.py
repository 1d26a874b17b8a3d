"""Schemas of tools, and arguments checked against them."""

import enum
import sys
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Literal, NotRequired, Required, TypedDict

import pytest
import typing_extensions
from pydantic import BaseModel, Field

from skills.sdk import RunContext, ToolRetry
from skills.sdk.docstrings import described
from skills.sdk.schema import Arguments


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Place(TypedDict, total=False):
    title: Required[str]
    zone: str


class Stop(TypedDict):
    place: Place
    nights: NotRequired[int]


class Modern(typing_extensions.TypedDict):
    name: str


@dataclass
class Point:
    x: int
    y: float = 1.5


class Person(BaseModel):
    title: str = Field(description="How to address them.")


def schema_of(hint: Any) -> Any:
    """The schema of a parameter of this type."""

    def function(value: Any) -> None: ...

    function.__annotations__["value"] = hint
    schema = Arguments(function).schema
    value = schema["properties"]["value"]
    return schema["$defs"][value["$ref"].split("/")[-1]] if "$ref" in value else value


@pytest.mark.parametrize(
    ("hint", "schema"),
    [
        (str, {"type": "string"}),
        (int, {"type": "integer"}),
        (float, {"type": "number"}),
        (bool, {"type": "boolean"}),
        (None, {"type": "null"}),
        (list[str], {"type": "array", "items": {"type": "string"}}),
        (dict[str, int], {"type": "object", "additionalProperties": {"type": "integer"}}),
        (Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}),
        (Colour, {"type": "string", "enum": ["red", "blue"]}),
        (int | None, {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        (date, {"type": "string", "format": "date"}),
        (Annotated[int, Field(ge=1, le=7)], {"type": "integer", "minimum": 1, "maximum": 7}),
        (Annotated[str, Field(pattern="^a")], {"type": "string", "pattern": "^a"}),
        (
            Person,
            {
                "type": "object",
                "properties": {"title": {"type": "string", "description": "How to address them."}},
                "required": ["title"],
            },
        ),
    ],
)
def test_type_hints_become_json_schema(hint: Any, schema: Any) -> None:
    assert schema_of(hint) == schema


def test_typed_dicts_and_dataclasses_are_objects() -> None:
    stop, point, place = schema_of(Stop), schema_of(Point), schema_of(Place)

    assert stop["required"] == ["place"]
    assert place["required"] == ["title"]
    assert list(place["properties"]) == ["title", "zone"]
    assert schema_of(Modern)["required"] == ["name"]
    assert (point["required"], point["properties"]["y"]["default"]) == (["x"], 1.5)


@pytest.mark.parametrize(
    "hint", [list[Place], Place | None, Annotated[Place, Field(description="x")], dict[str, Place]]
)
def test_typed_dicts_are_read_wherever_they_stand(hint: Any) -> None:
    def function(value: Any) -> None: ...

    function.__annotations__["value"] = hint

    assert "Place" in Arguments(function).schema["$defs"]


def test_the_context_is_given_and_hidden() -> None:
    def by_name(ctx: Any, city: str) -> None: ...
    def by_type(run: RunContext, city: str) -> None: ...

    assert Arguments(by_name).context_parameter == "ctx"
    assert Arguments(by_type).context_parameter == "run"
    assert list(Arguments(by_type).schema["properties"]) == ["city"]


def test_the_docstrings_argument_lines_describe_the_arguments() -> None:
    def forecast(city: str, days: int = 3) -> str:
        """Tell the weather.

        At length.

        Args:
            city (str): The city,
                with its country.
            days: How many.

        Returns: a forecast.
        """
        return ""

    properties = Arguments(forecast).schema["properties"]

    assert described(forecast).summary == "Tell the weather.\n\nAt length."
    assert properties["city"]["description"] == "The city, with its country."
    assert properties["days"] == {"type": "integer", "default": 3, "description": "How many."}


def test_sphinx_fields_describe_the_arguments_too() -> None:
    def forecast(city: str) -> str:
        """Tell the weather.

        :param str city: The city,
            with its country.
        :returns: A forecast.
        """
        return ""

    assert described(forecast).summary == "Tell the weather."
    assert described(forecast).arguments == {"city": "The city, with its country."}


def test_prose_after_the_arguments_is_prose_again() -> None:
    def forecast() -> None:
        """Tell.

        Args:
            not an argument line

        More.
        """

    assert described(forecast).summary == "Tell.\n\nMore."
    assert described(forecast).arguments == {}


def test_values_arrive_as_annotated() -> None:
    def function(colour: Colour, point: Point, person: Person, day: date, ids: set[int], stop: Stop) -> None: ...

    parsed = Arguments(function).parse(
        '{"colour": "red", "point": {"x": 1}, "person": {"title": "Dr"}, "day": "2026-01-02", "ids": [1, 1],'
        ' "stop": {"place": {"title": "Riga"}}}'
    )

    assert parsed == {
        "colour": Colour.RED,
        "point": Point(x=1),
        "person": Person(title="Dr"),
        "day": date(2026, 1, 2),
        "ids": {1},
        "stop": {"place": {"title": "Riga"}},
    }


def test_defaults_are_filled_in_and_never_shared() -> None:
    def function(count: int = 3, tags: list[str] = [], note: str | None = None) -> None: ...  # noqa: B006  # on purpose

    arguments = Arguments(function)
    arguments.parse("{}")["tags"].append("mine")

    assert arguments.parse('{"count": null}') == {"count": 3, "tags": [], "note": None}
    assert arguments.schema["properties"]["tags"]["default"] == []


@pytest.mark.parametrize("raw", ["", "  ", "{}"])
def test_nothing_at_all_is_an_empty_object(raw: str) -> None:
    def function() -> None: ...

    assert Arguments(function).parse(raw) == {}


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        ('{"days": 9}', "days: Input should be less than or equal to 7"),
        ('{"days": "many"}', "days: Input should be a valid integer"),
        ('{"when": 1}', "when: Unexpected keyword argument"),
        ("{", "not valid JSON"),
        ("7", "must be one JSON object"),
        ("[" * 100_000, "not valid JSON"),
        ("{" + ",".join(f'"a{n}": 1' for n in range(20)) + "}", "and 12 more"),
    ],
)
def test_what_is_wrong_is_said_so_that_a_model_can_mend_it(raw: str, told: str) -> None:
    def function(days: Annotated[int, Field(le=7)] = 1) -> None: ...

    with pytest.raises(ToolRetry) as caught:
        Arguments(function).parse(raw)

    assert told in str(caught.value)
    assert "pydantic" not in str(caught.value)


def test_the_strict_form_requires_everything_and_nothing_more() -> None:
    def function(
        city: str, days: int = 3, note: str | None = None, point: Point | None = None, x: tuple[Point, ...] = ()
    ) -> None:
        """Do it.

        Args:
            days: How many.
        """

    arguments = Arguments(function)
    strict = arguments.strict_schema()

    assert strict["required"] == ["city", "days", "note", "point", "x"]
    assert strict["additionalProperties"] is False
    assert strict["properties"]["days"] == {
        "anyOf": [{"type": "integer"}, {"type": "null"}],
        "description": "How many.",
    }
    assert strict["properties"]["note"] == {"anyOf": [{"type": "string"}, {"type": "null"}]}
    assert strict["$defs"]["Point"]["required"] == ["x", "y"]
    assert "default" not in str(strict)
    assert arguments.schema["required"] == ["city"]


def test_parameters_that_no_schema_can_describe_are_refused_when_the_agent_is_built() -> None:
    def untyped(city) -> None: ...  # type: ignore[no-untyped-def]
    def starred(*cities: str) -> None: ...
    def opaque(module: type(sys)) -> None: ...  # type: ignore[valid-type]
    def unknown(city: "Nowhere") -> None: ...  # type: ignore[name-defined]  # noqa: F821

    for function, complaint in (
        (untyped, "needs a type hint"),
        (starred, "ordinary or keyword-only"),
        (opaque, "no JSON schema"),
        (unknown, "cannot be resolved"),
    ):
        with pytest.raises(TypeError, match=complaint):
            Arguments(function)
