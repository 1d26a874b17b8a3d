"""Reads a docstring: what the function does, and its argument lines."""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

_HEADING = re.compile(r"(args|arguments|parameters|returns?|raises|yields|examples?|notes?):(\s.*)?", re.IGNORECASE)
_ARGUMENT = re.compile(r"`?\*{0,2}(?P<name>[a-zA-Z_]\w*)`?(?:\s*\([^)]*\))?:\s*(?P<text>.*)")
_FIELD = re.compile(r":(?:param\s+(?:.*\s)?(?P<name>\w+)|returns?|rtype|raises?.*|type.*|yields?):\s*(?P<text>.*)")


@dataclass(frozen=True, kw_only=True)
class Description:
    """A docstring taken apart: `summary` is for the model, `arguments` for the schema."""

    summary: str = ""
    arguments: dict[str, str] = field(default_factory=dict)


def described(function: Callable[..., Any]) -> Description:
    """The docstring's prose, and one text per argument from `Args:` lines or `:param name:` fields."""
    summary: list[str] = []
    listed: list[str] = []
    fields: list[str] = []
    section = summary
    for line in inspect.cleandoc(function.__doc__ or "").splitlines():
        indented = line.startswith(" ")
        if heading := _HEADING.fullmatch(line):
            section = listed if heading[1].lower() in ("args", "arguments", "parameters") else []
            continue
        if _FIELD.fullmatch(line):
            section = fields
        elif line and not indented and section is not fields:
            section = summary
        section.append(line)
    arguments = _entries(listed, _ARGUMENT) | _entries(fields, _FIELD)
    return Description(summary="\n".join(summary).strip(), arguments=arguments)


def _entries(lines: list[str], entry: re.Pattern[str]) -> dict[str, str]:
    """Texts by name: a line at the first line's depth begins one, deeper lines go on with it."""
    texts: dict[str, str] = {}
    depth = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    name: str | None = None
    for line in lines:
        text = line.strip()
        found = None if line[depth : depth + 1].isspace() else entry.fullmatch(text)
        if found:
            name, text = found["name"], found["text"] or ""
        if name and text:
            texts[name] = f"{texts.get(name, '')} {text}".strip()
    return texts
