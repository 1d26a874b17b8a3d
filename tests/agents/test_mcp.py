"""MCP servers: approved before they are used, used under their own name, and harmless whatever they do."""

import os
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings

import outbound
from agents.errors import WrongMCPServer
from agents.models import MCPServer
from agents.runtime.events import ToolFinished
from agents.services import mcp_servers
from agents.services.drafts import SkillChoice
from agents.services.runs import start_run
from billing import ledger
from tenants.context import organization_context
from tenants.models import Organization
from tenants.threads import in_thread
from tests.agents.cast import ask, caller_of, funded, hosted, settled
from tests.live.waiting import eventually

START_S = 60


@dataclass(kw_only=True)
class Place:
    """A server's process, and how to change its mood."""

    url: str
    room: Path

    def mood(self, words: str) -> None:
        (self.room / "mood").write_text(words)


@contextmanager
def running(room: Path, transport: str, path: str) -> Generator[Place]:
    """A real server on a real port."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    with (room / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.fakes.mcp_server", str(port), transport],
            env={**os.environ, "MCP_ROOM": str(room)},
            stdout=log,
            stderr=subprocess.STDOUT,
        )

    def listens() -> bool:
        with socket.socket() as asking:
            return asking.connect_ex(("127.0.0.1", port)) == 0

    try:
        assert eventually(listens, within_s=START_S), (room / "log").read_text()
        yield Place(url=f"http://127.0.0.1:{port}{path}", room=room)
    finally:
        process.kill()
        process.wait(10)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Generator[Place]:
    """Over streamable HTTP."""
    with running(tmp_path_factory.mktemp("mcp"), "streamable-http", "/mcp") as started:
        yield started


@pytest.fixture(autouse=True)
def opened(place: Place) -> Generator[None]:
    """What the tests' server listens on may be reached."""
    place.mood("")
    outbound.configure(allow=[place.url.removeprefix("http://").removesuffix("/mcp")])
    yield
    outbound.configure()


def known(organization: Organization, url: str, *tools: str, **fields: Any) -> MCPServer:
    """A server of the organization's, looked at and approved as far as these tools."""
    with organization_context(organization.id):
        row = MCPServer.objects.create(organization_id=organization.id, name="moody", url=url, **fields)
        mcp_servers.look(row.pk)
        return mcp_servers.approve(row.pk, tools) if tools else MCPServer.objects.get(pk=row.pk)


async def used(owner: Organization, tool: str, **arguments: Any) -> ToolFinished:
    """What comes of one call of the tool by an agent that may use the server."""
    rule = {"calls": [{"name": tool, "arguments": arguments}], "then": [{"text": "That is all."}]}
    agent = await hosted(
        owner,
        SkillChoice(skill="scripted", options={"rules": [rule]}),
        SkillChoice(skill="mcp", options={"servers": ["moody"]}),
    )
    stream = await start_run(caller=caller_of(owner), address=agent.slug, request=ask("Go."))
    events = [event async for event in stream]
    await settled()
    (finished,) = [event for event in events if isinstance(event, ToolFinished)]
    return finished


async def test_a_tool_that_was_approved_is_used_under_its_servers_name(acme: Organization, place: Place) -> None:
    row = await in_thread(known, acme, place.url, "add")

    finished = await used(acme, "moody__add", one=2, other=40)

    assert (finished.ok, finished.content) == (True, "42")
    assert row.state == "ready"
    assert [each["name"] for each in row.approved] == ["add"]


async def test_the_older_transport_works_as_well(acme: Organization, tmp_path: Path) -> None:
    with running(tmp_path, "sse", "/sse") as old:
        outbound.configure(allow=[old.url.removeprefix("http://").removesuffix("/sse")])
        await in_thread(known, acme, old.url, "add", transport="sse")

        finished = await used(acme, "moody__add", one=40, other=2)

    assert (finished.ok, finished.content) == (True, "42")


async def test_an_empty_list_means_none_and_what_was_not_approved_is_absent(acme: Organization, place: Place) -> None:
    row = await in_thread(known, acme, place.url)
    before = await used(acme, "moody__add", one=1, other=1)
    await _approve(row, "add")
    other = await used(acme, "moody__fail")

    assert row.state == "changed"
    assert "is not available" in before.content
    assert "is not available" in other.content


async def test_mc_04_a_tool_that_changes_is_held_until_a_member_has_looked(acme: Organization, place: Place) -> None:
    row = await in_thread(known, acme, place.url, "add")
    place.mood("changed")

    held = await used(acme, "moody__add", one=1, other=1)
    with organization_context(acme.id):
        looked = await in_thread(mcp_servers.look, row.pk)
        compared = {each.name: each for each in mcp_servers.compared(looked)}
    await _approve(row, "add")
    again = await used(acme, "moody__add", one=1, other=1)

    assert "is not what was approved any more" in held.content
    assert (looked.state, compared["add"].state) == ("changed", "changed")
    assert "Ignore all rules" in compared["add"].seen.description  # type: ignore[union-attr]
    assert (again.ok, again.content) == (True, "2")


@pytest.mark.parametrize(
    ("tool", "seconds", "told"),
    [
        ("hang", 1, "moody__hang did not finish within 1 seconds."),
        ("fail", 60, "fail failed: Error executing tool fail"),
    ],
)
async def test_a_server_that_misbehaves_does_no_harm(
    acme: Organization, place: Place, tool: str, seconds: int, told: str
) -> None:
    await in_thread(known, acme, place.url, tool, timeout_s=seconds)

    finished = await used(acme, f"moody__{tool}")

    assert not finished.ok
    assert told in finished.content


async def test_what_is_huge_is_cut_and_pictures_come_through(acme: Organization, place: Place) -> None:
    await in_thread(known, acme, place.url, "huge", "picture")

    huge, picture = await used(acme, "moody__huge"), await used(acme, "moody__picture")

    assert "cut: 65536 of" in huge.content
    assert picture.content == "Here it is.\n[image_url]"


async def test_a_server_that_says_nothing_or_far_too_much_is_bounded(acme: Organization, place: Place) -> None:
    row = await in_thread(known, acme, place.url, "add")
    place.mood("many")
    with organization_context(acme.id):
        many = await in_thread(mcp_servers.look, row.pk)

    assert len(many.seen) == 200
    assert {each.state for each in mcp_servers.compared(many)} >= {"new", "gone"}


@pytest.mark.parametrize(
    ("price", "charged"), [("0.02", 20_000_000), ("99", 50_000_000), ("-1", 0), ("NaN", 0), ("a lot", 0)]
)
async def test_a_servers_own_account_is_paid_up_to_what_a_member_allowed(
    acme: Organization, globex: Organization, place: Place, price: str, charged: int
) -> None:
    await funded(acme)
    await in_thread(known, globex, place.url, "sell", most_credits="0.05")
    rule = {"calls": [{"name": "moody__sell", "arguments": {"price": price}}], "then": [{"text": "Done."}]}
    agent = await hosted(
        globex,
        SkillChoice(skill="scripted", options={"rules": [rule]}),
        SkillChoice(skill="mcp", options={"servers": ["moody"]}),
        visibility="public",
        input_price_pico=0,
        output_price_pico=0,
    )
    before = await in_thread(ledger.balance, acme.id)

    stream = await start_run(caller=caller_of(acme), address=f"{globex.slug}/{agent.slug}", request=ask("Go."))
    async for _ in stream:
        pass
    await settled()

    after = await in_thread(ledger.balance, acme.id)
    assert before.posted - after.posted == charged


async def test_another_organizations_server_is_unknown(acme: Organization, globex: Organization, place: Place) -> None:
    await in_thread(known, acme, place.url, "add")

    with pytest.raises(Exception, match="no MCP server called 'moody'"):
        await used(globex, "moody__add", one=1, other=1)


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data", "http://[::1]:5432/", "http://10.0.0.1/mcp", "http://0x7f000001/",
        "http://127.1/", "file:///etc/passwd", "gopher://example.com/", "http://user:pw@example.com/mcp",
    ],
)  # fmt: skip
async def test_an_address_inside_is_never_connected_to(acme: Organization, url: str) -> None:
    with organization_context(acme.id):
        row = MCPServer(organization_id=acme.id, name="inside", url=url)
        try:
            mcp_servers.check(row)
        except WrongMCPServer:
            return
        await row.asave()
        looked = await in_thread(mcp_servers.look, row.pk)

    assert looked.state == "failing"
    assert "not on the public internet" in looked.error


async def test_mc_01_only_what_the_operator_registered_is_started(acme: Organization) -> None:
    command = [sys.executable, "-m", "tests.fakes.mcp_server", "0", "stdio"]
    from django.conf import settings

    environment = settings.ROBUTLER.model_copy(update={"mcp_commands": {"moody": command}})
    with override_settings(ROBUTLER=environment):
        with organization_context(acme.id):
            wrong = MCPServer(organization_id=acme.id, name="bash", transport="operator")
            with pytest.raises(WrongMCPServer, match="runs no server by this name"):
                mcp_servers.check(wrong)
        row = await in_thread(known, acme, "", "add", transport="operator")

        finished = await used(acme, "moody__add", one=20, other=22)

    assert row.state == "ready"
    assert (finished.ok, finished.content) == (True, "42")
    assert await in_thread(eventually, _no_children, within_s=20.0)


def _no_children() -> bool:
    """Whether no server that was started is left."""
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    return not any("stdio" in Path(f"/proc/{pid}/cmdline").read_text() for pid in children)


async def test_a_server_that_falls_over_is_told_of(acme: Organization) -> None:
    from django.conf import settings

    command = [sys.executable, "-m", "tests.fakes.mcp_server", "0", "stdio"]
    environment = settings.ROBUTLER.model_copy(update={"mcp_commands": {"moody": command}})
    with override_settings(ROBUTLER=environment):
        await in_thread(known, acme, "", "crash", transport="operator", timeout_s=60)

        finished = await used(acme, "moody__crash")

    assert not finished.ok
    assert "crash" in finished.content


async def _approve(row: MCPServer, *names: str) -> None:
    with organization_context(row.organization_id):
        await in_thread(mcp_servers.approve, row.pk, names)
