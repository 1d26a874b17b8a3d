"""The examples in the documents run, as they stand there."""

import re
from pathlib import Path
from typing import Any

import pytest

from agents.runtime.agent import BaseAgent

ROOT = Path(__file__).parents[2]
PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def examples(page: str) -> list[str]:
    """The Python blocks of a page, in order."""
    return PYTHON.findall((ROOT / page).read_text())


def test_the_skills_of_the_guide_are_skills() -> None:
    told: dict[str, Any] = {"__name__": "guide"}
    for number, block in enumerate(examples("docs/how-to/write-a-skill.md")):
        exec(compile(block, f"write-a-skill.md, block {number}", "exec"), told)  # noqa: S102 the guide itself

    agent = told["agent"]
    assert isinstance(agent, BaseAgent)
    assert {"roll", "greet"} <= agent.tools.keys()


@pytest.mark.parametrize("page", ["README.md", "docs/tutorial/first-agent.md"])
def test_what_to_paste_is_python(page: str) -> None:
    for number, block in enumerate(examples(page)):
        compile(block, f"{page}, block {number}", "exec")
