"""The `llm` command and library, configured by its extra-openai-models.yaml as its users do."""

import json
import os
import subprocess
import sys
from pathlib import Path

import llm
import pytest
from pydantic import BaseModel
from seat import Seat


class Trip(BaseModel):
    """A trip somewhere."""

    city: str
    days: int


def weather(city: str) -> str:
    """Tell the weather in a city."""
    return f"Rain in {city}."


@pytest.fixture(scope="session", autouse=True)
def home(seat: Seat, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of llm itself, with our agents among its models. JSON is YAML."""
    directory = tmp_path_factory.mktemp("llm")
    models = [
        {
            "model_id": name,
            "model_name": getattr(seat, name, name),
            "api_base": seat.url,
            "api_key_name": "robutler",
            "supports_schema": True,
            "supports_tools": True,
            "vision": True,
        }
        for name in ("persona", "slow", "broken", "crowded", "nobody")
    ]
    (directory / "extra-openai-models.yaml").write_text(json.dumps(models))
    (directory / "keys.json").write_text(json.dumps({"robutler": seat.key}))
    os.environ["LLM_USER_PATH"] = str(directory)
    return directory


def command(*arguments: str, words: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "llm", *arguments], input=words, capture_output=True, text=True, timeout=50, check=False
    )


@pytest.mark.parametrize("flags", [[], ["--no-stream"]])
def test_the_command_answers(flags: list[str]) -> None:
    done = command("-m", "persona", "-s", "Be brief.", *flags, "Say cheese")

    assert (done.returncode, done.stdout.strip()) == (0, "cheese"), done.stderr


def test_the_command_goes_on_with_a_conversation() -> None:
    assert command("-m", "persona", "Say cheese").returncode == 0

    done = command("-c", "Say bread")

    assert done.stdout.strip() == "bread", done.stderr


def test_the_command_fits_a_schema() -> None:
    done = command("-m", "persona", "--schema", json.dumps(Trip.model_json_schema()), "A trip of 3 days to Riga.")

    assert json.loads(done.stdout) == {"city": "Riga", "days": 3}


def test_the_command_tells_what_is_wrong() -> None:
    done = command("-m", "nobody", "hi")

    assert done.returncode != 0
    assert "does not exist" in done.stderr


def test_an_answer_and_its_usage() -> None:
    response = llm.get_model("persona").prompt("Say cheese", system="Be brief.")

    assert response.text() == "cheese"
    assert response.usage().output > 0


def test_an_answer_streams() -> None:
    pieces = list(llm.get_model("persona").prompt("Count to 30"))

    assert len(pieces) > 5
    assert "".join(pieces).endswith("29 30")


async def test_an_asynchronous_answer() -> None:
    assert await llm.get_async_model("persona").prompt("Say cheese").text() == "cheese"


@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_is_called_and_answered(*, stream: bool) -> None:
    chain = llm.get_model("persona").chain("What is the weather in Riga?", tools=[weather], stream=stream)

    assert "Rain in Riga." in chain.text()


def test_structured_output() -> None:
    response = llm.get_model("persona").prompt("A trip of 3 days to Riga.", schema=Trip)

    assert Trip.model_validate_json(response.text()) == Trip(city="Riga", days=3)


@pytest.mark.parametrize("name", ["nobody", "crowded", "broken"])
def test_errors(name: str) -> None:
    with pytest.raises(Exception, match=r"does not exist|rate|overload|broke|failed|limit"):
        llm.get_model(name).prompt("hi").text()


def test_a_wrong_key_is_told(seat: Seat) -> None:
    with pytest.raises(Exception, match="Incorrect API key provided"):
        llm.get_model("persona").prompt("hi", key=seat.wrong_key).text()


def test_leaving_in_the_middle() -> None:
    for piece in llm.get_model("slow").prompt("go"):
        if piece:
            break
