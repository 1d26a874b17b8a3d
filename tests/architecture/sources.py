"""The project's own files, as the guards read them."""

import ast
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

PACKAGES = ("agents", "api", "billing", "outbound", "robutler_site", "skills", "tenants")


@dataclass(frozen=True, kw_only=True)
class Source:
    """A Python file; `path` is relative to the project, with slashes."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """What the file says, parsed once."""
        return ast.parse(self.text, filename=self.path)

    @property
    def is_product(self) -> bool:
        """Whether it is part of what runs, rather than of what checks it."""
        return self.path.split("/")[0] in PACKAGES or self.path == "manage.py"

    @property
    def is_migration(self) -> bool:
        return "/migrations/" in self.path


Guard = Callable[[Source], Iterator[str]]
"""Yields one complaint per offence, beginning with `line: `."""


@cache
def files() -> tuple[str, ...]:
    """Every file of the project that git keeps or would keep."""
    listed = subprocess.run(
        ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"),
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    return tuple(sorted(name for name in set(listed.stdout.split("\0")) if name and (ROOT / name).is_file()))


@cache
def sources() -> tuple[Source, ...]:
    """Every Python file of the project."""
    return tuple(Source(path=name, text=(ROOT / name).read_text()) for name in files() if name.endswith(".py"))


def product() -> tuple[Source, ...]:
    """Every Python file of what runs."""
    return tuple(source for source in sources() if source.is_product)


def complaints(guard: Guard, among: tuple[Source, ...]) -> list[str]:
    """What the guard has to say, as clickable `path:line: …`."""
    return [f"{source.path}:{complaint}" for source in among for complaint in guard(source)]


def snippet(text: str, path: str = "agents/example.py") -> Source:
    """A file that exists only to show that a guard can say no."""
    return Source(path=path, text=text)


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function, method and nested function."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Each imported thing with its line, as a dotted name: `from a.b import c` is `a.b.c`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, f"{node.module or ''}.{alias.name}") for alias in node.names)


def last_name(node: ast.AST) -> str | None:
    """`c` of `a.b.c` and of `c`."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return None


def own_nodes(scope: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a function or module, without those of the functions in it."""
    for child in ast.iter_child_nodes(scope):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield child
            yield from own_nodes(child)
