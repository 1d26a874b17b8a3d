"""What holds for every skill, shipped or installed."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agents.runtime.assembly import Members
from skills import registry
from skills.sdk import ModelSkill, Skill
from skills.sdk.schema import Arguments

SKILLS = Path(registry.__file__).parent
NAMES = registry.names()
HEAVY = {"django", "asgiref", "celery", "litellm", "tenants", "billing", "agents"}

IMPORTED_WITHOUT_NETWORK = """
import socket, sys
def refuse(*args, **kwargs): raise AssertionError("network at import")
socket.socket.connect = refuse
socket.getaddrinfo = refuse
from skills import registry
registry.skill_class(sys.argv[1])
print(*{name.split('.')[0] for name in sys.modules})
"""


def properties(schema: dict[str, Any]) -> dict[str, Any]:
    """Every property of a schema and of what it refers to, by path."""
    found = {f"options.{name}": part for name, part in schema.get("properties", {}).items()}
    for title, definition in schema.get("$defs", {}).items():
        found.update({f"{title}.{name}": part for name, part in definition.get("properties", {}).items()})
    return found


def built(name: str) -> Skill:
    return registry.skill_class(name)()


@pytest.mark.parametrize("name", NAMES)
def test_it_imports_without_the_platform_and_without_network(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED_WITHOUT_NETWORK, name],
        capture_output=True,
        text=True,
        check=False,
        cwd=SKILLS.parent,
        env={**os.environ, "PYTHONPATH": "."},
    )

    assert done.returncode == 0, done.stderr
    assert not HEAVY & set(done.stdout.split())


@pytest.mark.parametrize("name", NAMES)
def test_it_is_explained(name: str) -> None:
    skill = registry.skill_class(name)

    readme = (SKILLS / name / "README.md").read_text()

    assert skill.__doc__
    assert readme.startswith(f"# {name}\n")
    for option in skill.Options.model_fields:
        assert f"`{option}`" in readme, f"the README of {name} does not name its option {option}"


@pytest.mark.parametrize("name", NAMES)
def test_its_options_are_frozen_closed_and_described(name: str) -> None:
    options = registry.skill_class(name).Options

    assert options.model_config.get("frozen") is True
    assert options.model_config.get("extra") == "forbid"
    for path, part in properties(options.model_json_schema()).items():
        assert part.get("description"), f"{name}: {path} has no description"


@pytest.mark.parametrize("name", NAMES)
def test_its_numbers_are_bounded(name: str) -> None:
    for path, part in properties(registry.skill_class(name).Options.model_json_schema()).items():
        for kind in (part, *part.get("anyOf", ())):
            if path.startswith("options.") and kind.get("type") in ("integer", "number"):
                assert {"minimum", "exclusiveMinimum"} & set(kind), f"{name}: {path} has no lower bound"
                assert {"maximum", "exclusiveMaximum"} & set(kind), f"{name}: {path} has no upper bound"


@pytest.mark.parametrize("name", NAMES)
def test_its_tools_are_described_and_have_schemas(name: str) -> None:
    for tool in Members.of({name: built(name)}).tools.values():
        assert tool.spec.description, f"{name}.{tool.name} has no docstring"
        assert json.loads(json.dumps(tool.definition)) == tool.definition
        if isinstance(tool.arguments, Arguments):
            assert tool.arguments.strict_schema()["additionalProperties"] is False


@pytest.mark.parametrize("name", NAMES)
async def test_it_starts_and_stops(name: str) -> None:
    skill = built(name)

    await skill.start(Agent())
    await skill.stop()


@pytest.mark.parametrize("name", NAMES)
def test_a_model_skill_says_whom_it_serves(name: str) -> None:
    skill = registry.skill_class(name)

    assert not issubclass(skill, ModelSkill) or skill.providers or name == "litellm"


class Agent:
    id = "agent"
    name = "agent"
    organization_id = "organization"
    model = "scripted/persona"
