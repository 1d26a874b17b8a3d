"""How commands answer: a table for people, one JSON document for programs."""

import json
from collections.abc import Mapping, Sequence
from io import StringIO
from typing import Any, TextIO

from django.core.management.base import CommandParser, OutputWrapper
from rich.console import Console
from rich.table import Table

NANOS = 1_000_000_000


def add_json_option(parser: CommandParser) -> None:
    """Let a command answer in JSON."""
    parser.add_argument("--json", action="store_true", dest="as_json", help="Answer with one JSON document.")


def show(out: TextIO | OutputWrapper, rows: Sequence[Mapping[str, Any]], *, as_json: bool, title: str = "") -> None:
    """Write rows as a table, or as JSON: a list, or an object when there is no title because it is one thing."""
    if as_json:
        out.write(json.dumps(list(rows) if title else rows[0], default=str, indent=2) + "\n")
        return
    table = Table(title=title or None, title_justify="left", show_header=bool(title))
    if title:
        for name in rows[0] if rows else ("nothing",):
            table.add_column(name.replace("_", " "), overflow="fold")
        for row in rows:
            table.add_row(*(_said(value) for value in row.values()))
    else:
        table.add_column("what")
        table.add_column("value", overflow="fold")
        for name, value in rows[0].items():
            table.add_row(name.replace("_", " "), _said(value))
    page = StringIO()
    Console(file=page, force_terminal=out.isatty(), highlight=False).print(table)
    out.write(page.getvalue())


def dollars(nanos: int) -> str:
    """Return an amount as people read it."""
    sign = "-" if nanos < 0 else ""
    whole, rest = divmod(abs(nanos), NANOS)
    return f"{sign}${whole}.{rest:09d}"


def _said(value: Any) -> str:
    return "" if value is None else str(value)
