"""A file is about one noun, and a function fits on a screen."""

from collections.abc import Iterator

from tests.architecture.sources import Source, complaints, functions, snippet, sources

LONGEST_FILE = 400
LONGEST_FUNCTION = 50


def long_files(source: Source) -> Iterator[str]:
    """Complain about files that hold more than one noun."""
    length = len(source.text.splitlines())
    if length > LONGEST_FILE:
        yield f"1: has {length} lines, more than {LONGEST_FILE}"


def long_functions(source: Source) -> Iterator[str]:
    """Complain about functions that need scrolling; a decorator is part of its function, a nested one of both."""
    for function in functions(source.tree):
        first = min([function.lineno, *(decorator.lineno for decorator in function.decorator_list)])
        length = (function.end_lineno or first) - first + 1
        if length > LONGEST_FUNCTION:
            yield f"{first}: {function.name} has {length} lines, more than {LONGEST_FUNCTION}"


def test_no_file_is_longer_than_its_noun() -> None:
    assert complaints(long_files, sources()) == []


def test_no_function_is_longer_than_a_screen() -> None:
    assert complaints(long_functions, sources()) == []


def test_a_long_file_is_seen() -> None:
    assert list(long_files(snippet("x = 1\n" * 401)))
    assert not list(long_files(snippet("x = 1\n" * 400)))


def test_a_long_function_is_seen() -> None:
    assert list(long_functions(snippet("async def f():\n" + "    x = 1\n" * 50)))
    assert not list(long_functions(snippet("async def f():\n" + "    x = 1\n" * 49)))
