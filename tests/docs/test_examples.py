"""The examples in the documents run, as they stand there."""

import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def examples(page: str) -> list[str]:
    """The Python blocks of a page, in order."""
    return PYTHON.findall((ROOT / page).read_text())


def guide() -> dict[str, Any]:
    """The names that the guide for authors of skills defines, after running all of it."""
    told: dict[str, Any] = {"__name__": "guide"}
    for number, block in enumerate(examples("docs/how-to/write-a-skill.md")):
        exec(compile(block, f"write-a-skill.md, block {number}", "exec"), told)  # noqa: S102 the guide itself
    return told


@pytest.mark.parametrize("name", [name for name in guide() if name.startswith("test_")])
async def test_the_guides_tests_pass(name: str) -> None:
    await guide()[name]()


def test_the_guide_has_tests() -> None:
    assert sum(name.startswith("test_") for name in guide()) >= 3


@pytest.mark.parametrize("page", ["README.md", "docs/tutorial/first-agent.md"])
def test_what_to_paste_is_python(page: str) -> None:
    for number, block in enumerate(examples(page)):
        compile(block, f"{page}, block {number}", "exec")
