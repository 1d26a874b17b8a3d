"""How the fields of an agent's form are grouped on its page: the agent, a card per skill, price, model, limits."""

from collections.abc import Sequence
from typing import Any, Final

from agents.admin.option_fields import beyond_forms, fields_for
from agents.admin.skills_offered import offered_skills, offered_tools
from agents.sampling import Limits, Sampling

Groups = Sequence[tuple[str | None, dict[str, Any]]]

LIMITS: Final = "limits"
SAMPLING: Final = "sampling"
TEXT_FIELDS: Final = ("name", "slug", "description", "visibility", "model", "instructions")
PRICE_FIELDS: Final = ("price_per_run_nanos", "input_price_pico", "output_price_pico", "markup_percent")
READ_FIELDS: Final = (
    *TEXT_FIELDS,
    *("shown_status", "shown_version", "shown_skills", "shown_price", "created_at", "updated_at"),
)


def to_edit() -> Groups:
    """The page of somebody who may change the agent. The template draws groups of class `skill` as cards."""
    return [
        (None, {"fields": list(TEXT_FIELDS)}),
        *((name, _card(name, skill)) for name, skill in offered_skills()),
        ("Price", {"fields": [*PRICE_FIELDS, *map(tool_field, _tool_names())], "classes": ["tab"]}),
        (
            "Model parameters",
            {"fields": [*_names(SAMPLING, Sampling), "locked", "drop_unsupported"], "classes": ["tab"]},
        ),
        ("Limits", {"fields": [*_names(LIMITS, Limits), "on_disconnect", "keeps_content"], "classes": ["tab"]}),
    ]


def tool_field(tool: str) -> str:
    """The name of the field with the price of a tool."""
    return f"tool_prices.{tool}"


def to_read() -> Groups:
    """The page of somebody who may only look."""
    return [(None, {"fields": list(READ_FIELDS)})]


def _card(name: str, skill: Any) -> dict[str, Any]:
    return {
        "fields": [f"{name}.enabled", *_names(name, skill.Options)],
        "classes": ["skill"],
        "description": _described(skill),
    }


def _described(skill: Any) -> str:
    said = (skill.__doc__ or "").strip().partition("\n")[0]
    beyond = ", ".join(name.replace("_", " ") for name in beyond_forms(skill.Options))
    return f"{said} Its {beyond} cannot be edited on this page; saving keeps them as they are." if beyond else said


def _tool_names() -> list[str]:
    return [tool.name for _, tool in offered_tools()]


def _names(part: str, options: Any) -> list[str]:
    return [f"{part}.{name}" for name in fields_for(options, credentials=())]
