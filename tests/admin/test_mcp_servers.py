"""MCP servers on the console: named, looked at, approved."""

import pytest
from django.urls import reverse

from agents.models import MCPServer
from tenants.context import organization_context
from tenants.models import AuditEvent, Organization
from tests import make
from tests.admin.cast import member, page, submit, text

ADD = page("console", MCPServer, "add")
FORM = "mcpserver_form"


def one(organization: Organization) -> MCPServer:
    with organization_context(organization.id):
        return MCPServer.objects.get()


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"url": "ftp://mcp.example.com/"}, "URL"),
        ({"url": ""}, "URL"),
        ({"url": "http://127.0.0.1:5432/"}, "not on the public internet"),
        ({"transport": "operator", "url": ""}, "runs no server by this name"),
        ({"name": "No Spaces"}, "valid value"),
    ],
)
def test_mc_01_what_cannot_be_is_said_on_the_form(acme: Organization, said: dict[str, str], told: str) -> None:
    us = member(acme)

    answer = submit(us, ADD, FORM, **{"name": "books", "url": "https://mcp.example.com/mcp", **said})

    with organization_context(acme.id):
        assert MCPServer.objects.count() == 0
    assert told in text(answer)


def test_a_server_is_named_approved_and_has_to_be_again_somewhere_else(acme: Organization) -> None:
    us = member(acme)
    submit(us, ADD, FORM, name="books", url="https://mcp.example.com/mcp")
    with organization_context(acme.id):
        MCPServer.objects.update(seen=[{"name": "find", "description": "Finds.", "schema": {}}])
    here = page("console", MCPServer, "change", one(acme).pk)
    approve = reverse("console:agents_mcpserver_approve", args=(one(acme).pk,))

    got = us.get(approve)
    us.post(approve, {"tool": ["find", "absent"]})
    approved = one(acme)
    shown = text(us.get(here))
    submit(us, here, FORM, url="https://elsewhere.example.com/mcp")
    moved = one(acme)

    assert got.status_code == 405
    assert ([each["name"] for each in approved.approved], approved.state) == (["find"], "ready")
    assert 'value="find" checked' in shown
    assert (moved.approved, moved.seen, moved.state) == ([], [], "new")
    with organization_context(acme.id):
        actions = set(AuditEvent.objects.values_list("action", flat=True))
    assert {"mcp_server.saved", "mcp_server.approved"} <= actions


def test_a_neighbour_can_neither_look_nor_approve(acme: Organization, globex: Organization) -> None:
    theirs, us = make.mcp_server(globex), member(acme)

    answers = [us.post(reverse(f"console:agents_mcpserver_{word}", args=(theirs.pk,))) for word in ("look", "approve")]

    assert [answer.status_code for answer in answers] == [404, 404]
    assert one(globex).approved == []


def test_what_a_server_says_is_text_on_the_page(acme: Organization) -> None:
    row, us = make.mcp_server(acme, words="<img src=x onerror=alert(1)>"), member(acme)

    shown = text(us.get(page("console", MCPServer, "change", row.pk)))

    assert "<img src=x" not in shown
    assert "&lt;img src=x" in shown
