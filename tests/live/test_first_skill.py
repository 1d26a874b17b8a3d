"""The tutorial of the first skill, done as it says: its files, its tests, its package, an agent that uses it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from agents.services.drafts import SkillChoice
from skills import registry
from tests.live.cast import Cast, ask
from tests.live.conftest import Start

ROOT = Path(__file__).parents[2]
TUTORIAL = ROOT / "docs/tutorial/first-skill.md"
_FILE = re.compile(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```\n", re.DOTALL)


def test_the_tutorial_ends_with_an_agent_that_rolls_dice(
    start: Start, cast: Cast, site_environment: dict[str, str], tmp_path: Path
) -> None:
    package, target = tmp_path / "robutler-dice", tmp_path / "installed"
    for name, content in _FILE.findall(TUTORIAL.read_text()):
        file = package / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)

    tested = _run(package, "pytest", "-q", "-p", "no:cacheprovider", "-o", "asyncio_mode=auto", "tests")
    _run(package, "uv", "pip", "install", "--offline", "--no-deps", "--target", str(target), ".")

    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(target))
        registry._known.cache_clear()
        agent = cast.publish(model="scripted/persona", skills=[SkillChoice(skill="dice", options={"most_sides": 20})])
        path = f"{target}:{site_environment['PYTHONPATH']}"
        with start(PYTHONPATH=path) as server, cast.client(server.url) as client:
            said = client.chat.completions.create(model=agent, messages=ask("Roll the dice!"))
    registry._known.cache_clear()

    assert "3 passed" in tested
    assert re.search(r"roll_dice says: \d+ of \d+", said.choices[0].message.content or "")


def _run(package: Path, *module: str) -> str:
    environment = {**os.environ, "PYTHONPATH": f"{package / 'src'}:{ROOT}"}
    command = [sys.executable, "-m", *module]
    done = subprocess.run(
        command, cwd=package, env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
