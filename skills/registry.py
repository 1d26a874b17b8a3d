"""Which skills there are: those of this folder, and those that installed packages bring; imported on first use."""

import importlib
import re
from collections.abc import Collection, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from skills.sdk.errors import InvalidAgent
from skills.sdk.skill import Skill

ENTRY_POINT_GROUP = "robutler.skills"
"""A package that names a Skill class under this group is found by that name."""

_HERE = Path(__file__).parent
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_MODEL_SKILLS = {"scripted": "scripted", "openai": "openai", "anthropic": "anthropic"}
"""Skills that serve the provider of the same name; litellm serves all the others."""


def names() -> list[str]:
    """The names of all skills, in order. Raises InvalidAgent when two have the same."""
    return sorted(_known())


@cache
def skill_class(name: str) -> type[Skill]:
    """The class of a skill; its module is imported now. Raises InvalidAgent when there is none of that name."""
    entry = _known().get(name)
    if entry is None:
        raise InvalidAgent(f"There is no skill {name!r}. Skills here: {', '.join(names())}.")
    # Not the other way round: libraries that bring importlib_metadata along let entry points be of its class.
    found = _shipped_class(name) if isinstance(entry, Path) else entry.load()
    if not (isinstance(found, type) and issubclass(found, Skill) and found.name == name):
        raise InvalidAgent(f"The entry point {name!r} must name a Skill class with name = {name!r}, not {found!r}.")
    return found


def model_skill_for(model: str, *, chosen: Collection[str] = ()) -> str:
    """The name of the skill that serves a model, by the provider before the first `/`.

    An agent that has `chosen` litellm, and not the provider's own skill, thinks through litellm.
    """
    own = _MODEL_SKILLS.get(model.partition("/")[0], "litellm")
    return "litellm" if "litellm" in chosen and own not in chosen and own != "scripted" else own


@cache
def _known() -> Mapping[str, Path | EntryPoint]:
    """Every skill's name and where its class is; nothing is imported."""
    known: dict[str, Path | EntryPoint] = {
        folder.name: folder for folder in _HERE.iterdir() if (folder / "skill.py").is_file() and folder.name != "sdk"
    }
    for entry in entry_points(group=ENTRY_POINT_GROUP):
        if entry.name in known:
            raise InvalidAgent(
                f"Two skills are called {entry.name!r}: the one of {entry.value} and {known[entry.name]}. Remove one."
            )
        if not _NAME.fullmatch(entry.name):
            raise InvalidAgent(f"{entry.value} is registered as {entry.name!r}, which cannot name a skill.")
        known[entry.name] = entry
    return known


def _shipped_class(name: str) -> type[Skill]:
    module = importlib.import_module(f"skills.{name}.skill")
    classes = [each for each in vars(module).values() if isinstance(each, type) and issubclass(each, Skill)]
    return next(each for each in classes if each.name == name)
