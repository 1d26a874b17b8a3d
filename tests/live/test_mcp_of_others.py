"""MCP servers that others wrote, one from PyPI and one from npm, used in one chat."""

import json
import os
import socket
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import override_settings

import outbound
from agents.models import MCPServer
from agents.services import mcp_servers
from agents.services.drafts import SkillChoice
from tenants.context import organization_context
from tests.live.cast import Cast, ask
from tests.live.conftest import Start
from tests.live.environments import node_home, python_home
from tests.live.waiting import eventually

LOCKS = Path(__file__).parent / "mcp"
CALLS = (
    {"name": "time__get_current_time", "arguments": {"timezone": "Europe/Riga"}},
    {"name": "everything__echo", "arguments": {"message": "hello from a chat"}},
    {"name": "everything__get-sum", "arguments": {"a": 19, "b": 23}},
    {"name": "time__get_current_time", "arguments": {"timezone": "Atlantis/Nowhere"}},
)


@contextmanager
def everything(room: Path) -> Generator[str]:
    """The reference server with all features, over streamable HTTP; where it is."""
    home = node_home(LOCKS)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    program = home / "node_modules/@modelcontextprotocol/server-everything/dist/index.js"
    with (room / "everything.log").open("wb") as log:
        process = subprocess.Popen(
            ["node", str(program), "streamableHttp"], env={**os.environ, "PORT": str(port)}, stdout=log, stderr=log
        )

    def listens() -> bool:
        with socket.socket() as asking:
            return asking.connect_ex(("127.0.0.1", port)) == 0

    try:
        assert eventually(listens, within_s=60), (room / "everything.log").read_text()
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait(10)


@pytest.mark.prove
def test_tools_of_two_servers_of_others_are_used_in_one_chat(start: Start, cast: Cast, tmp_path: Path) -> None:
    commands = {"time": [str(python_home(LOCKS / "mcp-server-time.lock") / "bin" / "mcp-server-time")]}
    environment = settings.ROBUTLER.model_copy(update={"mcp_commands": commands})
    with everything(tmp_path) as place, override_settings(ROBUTLER=environment):
        outbound.configure(allow=[place])
        for name, fields in (
            ("time", {"transport": "operator"}),
            ("everything", {"url": f"http://{place}/mcp"}),
        ):
            _approved(cast.acme, name, fields)
        rule = {"match": "Go", "calls": list(CALLS), "then": [{"text": "All done."}]}
        agent = cast.publish(
            model="scripted/persona",
            options={"rules": [rule]},
            skills=[SkillChoice(skill="mcp", options={"servers": ["time", "everything"]})],
            allow=[place],
        )
        with (
            start(ROBUTLER_MCP_COMMANDS=json.dumps(commands), ROBUTLER_OUTBOUND_ALLOW=place) as server,
            cast.client(server.url) as client,
        ):
            said = client.chat.completions.with_raw_response.create(
                model=agent, messages=ask("Go"), extra_headers={"X-Robutler-Events": "1"}, stream=True
            )
            text = said.http_response.read().decode()

    assert "Europe/Riga" in text
    assert "Echo: hello from a chat" in text
    assert "The sum of 19 and 23 is 42" in text
    assert "Atlantis" in text
    assert '"finish_reason":"stop"' in text


def _approved(organization: Any, name: str, fields: dict[str, str]) -> None:
    with organization_context(organization.id):
        row = MCPServer.objects.create(organization_id=organization.id, name=name, **fields)
        looked = mcp_servers.look(row.pk)
        assert not looked.error, looked.error
        mcp_servers.approve(row.pk, [each["name"] for each in looked.seen])
