"""What a server process brings along, and what several of them agree on."""

import os
import subprocess
import sys
import time
from pathlib import Path

import httpx
import openai
import pytest

from tests import make
from tests.live.cast import Cast, model_on
from tests.live.conftest import Start
from tests.live.server import LiveServer

HERE = Path(__file__).parent
OF_ONE_SERVER = ("test_drain.py", "test_processes.py", "test_server_limits.py")


def test_a_process_that_served_the_openai_skill_never_loaded_litellm_nor_celery(start: Start, cast: Cast) -> None:
    address = cast.publish(model=model_on("openai", "echo"))

    with start(PYTHONPROFILEIMPORTTIME="1") as live, cast.client(live.url) as client:
        answer = client.chat.completions.create(model=address, messages=[{"role": "user", "content": "Hello."}])
        imported = {
            line.rpartition("|")[2].strip()
            for line in live.log.read_text().splitlines()
            if line.startswith("import time:")
        }

    assert answer.choices[0].message.content == "Hello."
    assert "skills.openai.client" in imported
    assert not imported & {"litellm", "celery", "daphne"}


def test_what_is_published_answers_from_another_process_within_a_second(
    start: Start, live: LiveServer, cast: Cast
) -> None:
    from agents.services import publishing
    from agents.services.drafts import SkillChoice
    from tenants.context import organization_context

    def says(text: str) -> list[SkillChoice]:
        return [SkillChoice(skill="scripted", options={"rules": [{"text": text}]})]

    agent = make.published(cast.acme, skills=says("before"))
    body = {"messages": [{"role": "user", "content": "Hi"}]}
    headers = {"Authorization": f"Bearer {cast.acme_key}"}

    def ask(server: LiveServer) -> str:
        answer = httpx.post(f"{server.url}/{agent.slug}/chat/completions", json=body, headers=headers)
        content: str = answer.json()["choices"][0]["message"]["content"]
        return content

    with start() as second:
        assert (ask(live), ask(second)) == ("before", "before")
        with organization_context(cast.acme.id):
            publishing.save_draft(agent, skills=says("after"))
            publishing.publish(agent)
        time.sleep(1)
        found = ask(live), ask(second)

    assert found == ("after", "after")


@pytest.fixture(scope="module")
def development(start: Start) -> LiveServer:
    """The development server."""
    return start(kind="daphne")


def test_the_development_server_serves_the_same(development: LiveServer, cast: Cast) -> None:
    address = cast.publish(model=model_on("openai", "echo"))
    hello: list[openai.types.chat.ChatCompletionMessageParam] = [{"role": "user", "content": "Hello there."}]

    with development as live, cast.client(live.url) as client:
        whole = client.chat.completions.create(model=address, messages=hello)
        chunks = list(client.chat.completions.create(model=address, messages=hello, stream=True))
        models = {model.id for model in client.models.list()}
        with pytest.raises(openai.NotFoundError) as absent:
            client.chat.completions.create(model="nobody", messages=hello)
        with cast.client(live.url, key="rb_live_wrong") as wrong, pytest.raises(openai.AuthenticationError):
            wrong.chat.completions.create(model=address, messages=hello)
        cut = cast.publish(model=model_on("openai", "fault-cut"))
        with pytest.raises(openai.APIError) as broken:
            list(client.chat.completions.create(model=cut, messages=hello, stream=True))
        alive = httpx.get(f"{live.url}/live").json()["status"]

    assert whole.choices[0].message.content == "Hello there."
    assert "".join(c.delta.content or "" for chunk in chunks for c in chunk.choices) == "Hello there."
    assert address in models
    assert absent.value.code == "model_not_found"
    assert broken.value.code == "upstream_failed"
    assert alive == "alive"


@pytest.mark.prove
@pytest.mark.timeout(1_200)
def test_the_development_server_passes_the_same_tests() -> None:
    """All but those about connections and signals, which are the business of the server that production has."""
    files = sorted({str(path) for path in HERE.glob("test_*.py")} - {str(HERE / name) for name in OF_ONE_SERVER})
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "ROBUTLER_"))}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files]

    ran = subprocess.run(
        command, env={**kept, "LIVE_SERVER": "daphne"}, check=False, capture_output=True, text=True, cwd=HERE.parents[1]
    )

    assert ran.returncode == 0, ran.stdout[-4_000:]


def test_a_websocket_is_refused_cleanly(live: LiveServer) -> None:
    handshake = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }

    answer = httpx.get(f"{live.url}/ws/anything", headers=handshake)

    assert answer.status_code == 403
