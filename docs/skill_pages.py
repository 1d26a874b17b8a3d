"""The reference of the skills that come with the platform, made from their classes."""

from typing import Any

from pydantic.fields import FieldInfo

from skills import registry
from skills.sdk import Skill
from skills.sdk.decorators import specs_of
from skills.sdk.specs import ToolSpec

PAGE = """\
# Skills

{note}

What comes with the platform. Each folder under `skills/` has a README with examples; there is a page on
[how to write one](../how-to/write-a-skill.md).
{sections}"""


def skills_page(note: str) -> str:
    """Every shipped skill with its options and tools."""
    known = (registry.skill_class(name) for name in registry.names())
    shipped = (skill for skill in known if skill.__module__.startswith("skills."))
    return PAGE.format(note=note, sections="".join(_section(skill) for skill in shipped))


def _section(skill: type[Skill]) -> str:
    parts = [f"\n## {skill.name}\n\n{_paragraph(skill.__doc__)}\n"]
    if fields := skill.Options.model_fields:
        rows = (f"| `{name}` | {_default(field)} | {field.description or ''} |" for name, field in fields.items())
        parts.append("\n| option | default | meaning |\n|---|---|---|\n" + "\n".join(rows) + "\n")
    if tools := _tools(skill):
        rows = (f"| `{tool.name}` | {tool.scope} | {_paragraph(tool.description)} |" for tool in tools)
        parts.append("\n| tool | for | does |\n|---|---|---|\n" + "\n".join(rows) + "\n")
    return "".join(parts)


def _tools(skill: type[Skill]) -> list[ToolSpec]:
    members = dict.fromkeys(name for parent in reversed(skill.__mro__) for name in vars(parent))
    found = (spec for name in members for spec in _specs(getattr(skill, name, None)))
    return [spec for spec in found if isinstance(spec, ToolSpec)]


def _specs(member: Any) -> tuple[Any, ...]:
    return specs_of(member) if callable(member) else ()


def _paragraph(text: str | None) -> str:
    return " ".join((text or "").strip().split("\n\n")[0].split()).replace("|", "\\|")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    match field.get_default(call_default_factory=True):
        case None | "" | ():
            return "—"
        case value:
            return f"`{value}`"
