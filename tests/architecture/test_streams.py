"""Whoever consumes a stream closes it: an unclosed one keeps its caller's money on hold."""

import ast
from collections.abc import Iterator

import pytest

from tests.architecture.sources import Source, complaints, functions, last_name, own_nodes, product, snippet

STREAM_TYPES = frozenset({"AsyncIterator", "AsyncGenerator", "AsyncIterable"})
CONTEXTS = frozenset({"asynccontextmanager", "fixture"})


def producers(among: tuple[Source, ...]) -> frozenset[str]:
    """The names of all functions that answer a stream."""
    return frozenset(
        function.name
        for source in among
        for function in functions(source.tree)
        if _answers_stream(function) and not function.name.startswith("__")
    )


def unclosed_streams(source: Source, names: frozenset[str]) -> Iterator[str]:
    """Complain about streams that are iterated but never closed."""
    for function in functions(source.tree):
        closed = {last_name(call.args[0]) for call in _calls(function, {"aclosing"}) if call.args}
        opened = {
            target.id
            for node in ast.walk(function)
            if isinstance(node, ast.Assign) and _is_stream(node.value, names)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(function):
            if not isinstance(node, ast.AsyncFor | ast.comprehension) or getattr(node, "is_async", 1) == 0:
                continue
            if _is_stream(node.iter, names) or (isinstance(node.iter, ast.Name) and node.iter.id in opened - closed):
                yield f"{node.iter.lineno}: `{ast.unparse(node.iter)}` is iterated outside `async with aclosing(…)`"


def _answers_stream(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    decorators = {
        last_name(decorator.func if isinstance(decorator, ast.Call) else decorator)
        for decorator in function.decorator_list
    }
    if decorators & CONTEXTS:
        return False
    answer = function.returns.value if isinstance(function.returns, ast.Subscript) else function.returns
    declared = answer is not None and last_name(answer) in STREAM_TYPES
    yields = isinstance(function, ast.AsyncFunctionDef) and any(
        isinstance(node, ast.Yield) for node in own_nodes(function)
    )
    return declared or yields


def _calls(tree: ast.AST, names: set[str]) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and last_name(node.func) in names:
            yield node


def _is_stream(node: ast.AST, names: frozenset[str]) -> bool:
    call = node.value if isinstance(node, ast.Await) else node
    return isinstance(call, ast.Call) and last_name(call.func) in names


def test_every_stream_is_closed_by_its_reader() -> None:
    names = producers(product())

    assert complaints(lambda source: unclosed_streams(source, names), product()) == []


@pytest.mark.parametrize(
    "body",
    [
        "async for event in events(): pass",
        "async for event in self.loop.events(1): pass",
        "stream = events()\n    async for event in stream: pass",
        "return [event async for event in events()]",
    ],
)
def test_an_unclosed_stream_is_seen(body: str) -> None:
    source = snippet(f"async def events():\n    yield 1\n\nasync def reader():\n    {body}\n")

    assert list(unclosed_streams(source, producers((source,))))


@pytest.mark.parametrize(
    "body",
    [
        "async with aclosing(events()) as stream:\n        async for event in stream: pass",
        "stream = events()\n    async with aclosing(stream):\n        async for event in stream: pass",
        "async for row in cursor: pass",
    ],
)
def test_a_closed_stream_passes(body: str) -> None:
    source = snippet(f"async def events():\n    yield 1\n\nasync def reader():\n    {body}\n")

    assert not list(unclosed_streams(source, producers((source,))))
