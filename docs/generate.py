"""Writes the reference pages that are made from the code: `python -m docs.generate`, or with `--check` to compare."""

import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import django
from pydantic import AliasChoices
from pydantic.fields import FieldInfo

from docs.api_page import api_page
from docs.chat_page import chat_page
from docs.clients_page import clients_page
from docs.skill_pages import skills_page
from robutler_site.env import PROJECT, Environment

REFERENCE = Path(__file__).parent / "reference"
NOTE = "<!-- Made from the code by `make docs`; do not edit. -->"

SETTINGS = """\
# Settings

{note}

Everything is set by environment variables. A wrong one is a message at the start that names it and says what to write.
In production (`ROBUTLER_ENV=production`) no default stands in for a secret.

| variable | default | meaning |
|---|---|---|
{rows}

The demo's agents think with whatever is found in `OPENAI_API_KEY`, `OPENAI_BASE_URL` or `ANTHROPIC_API_KEY`, else with
the `scripted` model, which needs no network. `OPENAI_MODEL` says which model of OpenAI, or of the server at
`OPENAI_BASE_URL`; unless it is set, that is `gpt-4o-mini` of OpenAI and the first that such a server lists.
"""


def settings_page() -> str:
    """Every environment variable, with its default and its bounds."""
    rows = "\n".join(
        f"| `{_variable(name, field)}` | {_default(field)} | {field.description or ''}{_bounds(field)} |"
        for name, field in Environment.model_fields.items()
    )
    return SETTINGS.format(note=NOTE, rows=rows)


PAGES: Mapping[str, Callable[[], str]] = {
    "api.md": partial(api_page, NOTE, hours=Environment.model_fields["idempotency_hours"].default),
    "chat-completions.md": partial(chat_page, NOTE),
    "settings.md": settings_page,
    "skills.md": partial(skills_page, NOTE),
    "works-with.md": partial(clients_page, NOTE),
}


def outdated() -> list[str]:
    """The pages that differ from what the code says."""
    return [
        name
        for name, page in PAGES.items()
        if not (REFERENCE / name).exists() or (REFERENCE / name).read_text() != page()
    ]


def main() -> None:
    """Write the pages, or say which are outdated."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "robutler_site.settings")
    django.setup()
    if sys.argv[1:] == ["--check"]:
        if stale := outdated():
            sys.exit(f"Outdated: {', '.join(stale)}. Run `make docs`.")
        return
    REFERENCE.mkdir(exist_ok=True)
    for name in outdated():
        (REFERENCE / name).write_text(PAGES[name]())
        print(f"Wrote docs/reference/{name}.")


def _variable(name: str, field: FieldInfo) -> str:
    if isinstance(field.validation_alias, AliasChoices):
        return str(field.validation_alias.choices[0])
    return f"{Environment.model_config.get('env_prefix', '')}{name}".upper()


def _default(field: FieldInfo) -> str:
    match field.get_default():
        case None | "" | ():
            return "—"
        case Path() as path:
            return f"`{path.relative_to(PROJECT) if path.is_relative_to(PROJECT) else path}`"
        case tuple() as parts:
            return f"`{','.join(map(str, parts))}`"
        case value:
            return f"`{value}`"


def _bounds(field: FieldInfo) -> str:
    if get_origin(field.annotation) is Literal:
        return f" One of {', '.join(f'`{choice}`' for choice in get_args(field.annotation))}."
    least, most = (_bound(field, "ge"), _bound(field, "le"))
    return f" {least:,} to {most:,}." if least is not None and most is not None else ""


def _bound(field: FieldInfo, name: str) -> Any:
    return next((getattr(bound, name) for bound in field.metadata if hasattr(bound, name)), None)


if __name__ == "__main__":
    main()
