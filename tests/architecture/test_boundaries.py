"""Queries stay off the edge, and errors surface: a few named places may catch everything."""

import ast
from collections.abc import Iterator

import pytest

from tests.architecture.sources import Source, complaints, functions, imports, last_name, own_nodes, product, snippet

CATCH_ALL = {
    "agents/runtime/tools.py:_boundary": "a tool's call: what its author got wrong becomes a result the model can read",
    "api/ws/sockets.py:_attempt": "the edge of a message: whatever surfaces is recorded and told over its socket",
    "api/ws/talks.py:_go_on": "the edge of a run that was asked for over a socket: its caller hears until it began",
    "api/edge.py:serve": "the edge of a request: whatever surfaces is recorded and answered with a 500",
}

QUERY_METHODS = frozenset({
    "aget", "acreate", "aupdate", "adelete", "afirst", "acount", "aexists", "asave", "abulk_create", "aget_or_create",
    "select_related", "prefetch_related", "select_for_update", "bulk_create", "get_or_create", "update_or_create",
})  # fmt: skip
QUERY_IMPORTS = (
    "django.db.connection",
    "django.db.connections",
    "django.db.transaction",
    "django.db.models",
    "psycopg",
)


def queries_at_the_edge(source: Source) -> Iterator[str]:
    """Complain about anything in api/ that talks to the database."""
    if not source.path.startswith("api/"):
        return
    for line, name in imports(source.tree):
        if any(name == banned or name.startswith(f"{banned}.") for banned in QUERY_IMPORTS):
            yield f"{line}: {name} is for selectors and services"
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute) and node.attr in QUERY_METHODS | {"objects", "_default_manager"}:
            yield f"{node.lineno}: `.{node.attr}` is for selectors and services"


def blanket_handlers(source: Source) -> Iterator[str]:
    """Complain about handlers that swallow what nobody expected. One that ends with a bare `raise` only tidies up."""
    for scope in (source.tree, *functions(source.tree)):
        if isinstance(scope, ast.Module) or f"{source.path}:{scope.name}" not in CATCH_ALL:
            yield from (f"{line}: name what is expected to fail" for line in _blankets(scope))


def _blankets(scope: ast.AST) -> Iterator[int]:
    for node in own_nodes(scope):
        if isinstance(node, ast.ExceptHandler) and _catches_all(node) and not _passes_on(node.body[-1]):
            yield node.lineno
        if isinstance(node, ast.Call) and last_name(node.func) == "suppress" and any(map(_is_blanket, node.args)):
            yield node.lineno


def _passes_on(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Raise) and statement.exc is None


def _catches_all(handler: ast.ExceptHandler) -> bool:
    match handler.type:
        case None:
            return True
        case ast.Tuple(elts=kinds):
            return any(map(_is_blanket, kinds))
        case kind:
            return _is_blanket(kind)


def _is_blanket(kind: ast.expr) -> bool:
    return last_name(kind) in {"Exception", "BaseException"}


def signals(source: Source) -> Iterator[str]:
    """Complain about Django's signals. Celery's tell of a process's life, and there is no other way to hear of it."""
    for line, name in imports(source.tree):
        if name.startswith(("django.dispatch.", "django.db.models.signals", "django.core.signals")) or (
            name.startswith("django.") and ".signals." in name
        ):
            yield f"{line}: call the service instead of {name}"


def test_the_edge_asks_no_database() -> None:
    assert complaints(queries_at_the_edge, product()) == []


def test_unexpected_errors_surface() -> None:
    assert complaints(blanket_handlers, product()) == []


def test_the_boundaries_are_where_they_are_said_to_be() -> None:
    found = {
        f"{source.path}:{function.name}"
        for source in product()
        for function in functions(source.tree)
        if list(_blankets(function))
    }

    assert found == CATCH_ALL.keys()


def test_nothing_listens_to_signals() -> None:
    assert complaints(signals, product()) == []


@pytest.mark.parametrize(
    "text",
    [
        "from django.db import connection",
        "from django.db.models import Q",
        "Agent.objects.get(id=1)",
        "rows.aget(id=1)",
    ],
)
def test_a_query_at_the_edge_is_seen(text: str) -> None:
    assert list(queries_at_the_edge(snippet(text, "api/openai/router.py")))
    assert not list(queries_at_the_edge(snippet(text, "agents/selectors.py")))


@pytest.mark.parametrize(
    "text",
    [
        "try: f()\nexcept: pass",
        "try: f()\nexcept Exception: log()",
        "try: f()\nexcept (ValueError, builtins.BaseException): pass",
        "with suppress(Exception): f()",
        "def g():\n    try: f()\n    except Exception as error: raise Failed from error",
    ],
)
def test_a_blanket_handler_is_seen(text: str) -> None:
    assert list(blanket_handlers(snippet(text)))


def test_tidying_up_is_no_blanket() -> None:
    assert not list(blanket_handlers(snippet("try: f()\nexcept BaseException:\n    close()\n    raise")))


@pytest.mark.parametrize(
    "text", ["from django.db.models.signals import post_save", "from django.dispatch import receiver"]
)
def test_a_signal_is_seen(text: str) -> None:
    assert list(signals(snippet(text)))
