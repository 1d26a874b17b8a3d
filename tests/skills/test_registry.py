"""Skills are found by name, ours and strangers', and imported when they are used."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from skills import registry
from skills.clock import ClockSkill
from skills.sdk import InvalidAgent

STRANGER = '''
from skills.sdk import Skill, tool

class Parrot(Skill):
    """Says it again."""
    name = "parrot"

    @tool
    async def squawk(self, text: str) -> str:
        """Say it again."""
        return text
'''


@pytest.fixture(autouse=True)
def _fresh_registry() -> Iterator[None]:
    _forget()
    yield
    _forget()


def _forget() -> None:
    registry.skill_class.cache_clear()
    registry._known.cache_clear()


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, entry: str) -> None:
    """Put a package with this entry point on the path, as pip would."""
    (folder / "parrots.py").write_text(STRANGER)
    about = folder / "parrots-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: parrots\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[robutler.skills]\n{entry}\n")
    monkeypatch.syspath_prepend(str(folder))


def test_the_skills_that_ship_are_known() -> None:
    assert {"calculator", "clock", "scripted"} <= set(registry.names())
    assert registry.skill_class("clock") is ClockSkill


def test_listing_skills_imports_none_of_them() -> None:
    code = "import sys, skills.registry as r; r.names(); r.model_skill_for('a/b'); print(*sys.modules)"

    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()

    assert not [name for name in loaded if name.startswith(("skills.clock", "skills.scripted", "litellm"))]


def test_a_strangers_skill_is_found_by_its_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, "parrot = parrots:Parrot")

    assert "parrot" in registry.names()
    assert registry.skill_class("parrot").__doc__ == "Says it again."


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ("clock = parrots:Parrot", "Two skills are called 'clock'"),
        ("Parrot = parrots:Parrot", "cannot name a skill"),
    ],
)
def test_names_never_clash_in_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: str, complaint: str
) -> None:
    install(tmp_path, monkeypatch, entry)

    with pytest.raises(InvalidAgent, match=complaint):
        registry.names()


@pytest.mark.parametrize("entry", ["bird = parrots:Parrot", "parrot = parrots:tool"])
def test_an_entry_point_names_a_skill_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: str) -> None:
    install(tmp_path, monkeypatch, entry)

    with pytest.raises(InvalidAgent, match="must name a Skill class"):
        registry.skill_class(entry.partition(" ")[0])


def test_an_unknown_skill_is_named_beside_the_known() -> None:
    with pytest.raises(InvalidAgent, match=r"There is no skill 'flute'.*clock"):
        registry.skill_class("flute")


@pytest.mark.parametrize(
    ("model", "skill"),
    [("scripted/persona", "scripted"), ("openai/gpt-4o", "openai"), ("groq/llama/3", "litellm"), ("gpt-4o", "litellm")],
)
def test_a_models_provider_says_which_skill_serves_it(model: str, skill: str) -> None:
    assert registry.model_skill_for(model) == skill


@pytest.mark.parametrize(
    ("model", "chosen", "skill"),
    [
        ("anthropic/claude", (), "anthropic"),
        ("anthropic/claude", ("litellm",), "litellm"),
        ("anthropic/claude", ("litellm", "anthropic"), "anthropic"),
        ("openai/gpt-4o", ("litellm", "clock"), "litellm"),
        ("scripted/persona", ("litellm",), "scripted"),
    ],
)
def test_an_owner_may_choose_litellm_in_place_of_a_providers_own_skill(
    model: str, chosen: tuple[str, ...], skill: str
) -> None:
    assert registry.model_skill_for(model, chosen=chosen) == skill
