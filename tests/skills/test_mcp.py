"""What the skill makes of servers' definitions and results, without a server."""

from decimal import Decimal
from typing import Any

import pytest
from mcp.types import CallToolResult, EmbeddedResource, TextContent, TextResourceContents

from agents.runtime.assembly import Members
from skills.mcp import McpSkill
from skills.mcp.skill import contents, metered
from skills.sdk.served import Definition, ToolServer


def offered(*names: str, server: str = "books", **schema: Any) -> dict[str, Any]:
    """The tools of an agent whose server defines these."""
    skill = McpSkill()
    tools = [Definition(name=name, description=f"Does {name}.", schema=schema) for name in names]
    skill.served = (ToolServer(name=server, transport="http", url="https://mcp.example.com", tools=tools),)
    return dict(Members.of({"mcp": skill}).tools)


def test_mc_05_names_stand_under_their_servers_and_are_safe() -> None:
    tools = offered("list_mcp_servers", "find.it now!", "x" * 80, "x" * 90)

    assert set(tools) == {"list_mcp_servers", "books__list_mcp_servers", "books__find_it_now_", f"books__{'x' * 57}"}
    assert tools["list_mcp_servers"].definition["function"]["description"] != "Does list_mcp_servers."


def test_a_schema_is_handed_on_and_always_an_objects() -> None:
    tools = offered("find", properties={"q": {"type": "string"}}, required=["q"])

    assert tools["books__find"].definition["function"]["parameters"] == {
        "type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"],
    }  # fmt: skip


def test_the_digest_is_of_all_that_a_model_reads() -> None:
    one = Definition(name="find", description="Finds.", schema={"type": "object"})
    others = [
        Definition(name="find", description="Finds .", schema={"type": "object"}),
        Definition(name="find", description="Finds.", schema={"type": "object", "title": "x"}),
        Definition(name="fund", description="Finds.", schema={"type": "object"}),
    ]

    assert one.digest == Definition(name="find", description="Finds.", schema={"type": "object"}).digest
    assert one.digest not in {other.digest for other in others}


def test_results_become_what_a_model_reads() -> None:
    resource = EmbeddedResource(
        type="resource", resource=TextResourceContents(uri="memo://1", text="A memo.", mime_type="text/plain")
    )
    both = CallToolResult(content=[TextContent(type="text", text="See:"), resource])
    data = CallToolResult(content=[], structured_content={"sum": 3})

    assert contents(both) == "See:\nA memo."
    assert contents(data) == {"sum": 3}


@pytest.mark.parametrize(
    ("told", "credits"),
    [({"credits": "0.5"}, "0.5"), ({"credits": 7}, "1"), ({"credits": "1e400"}, "1"), ({"credits": "Infinity"}, "0"),
     ({"credits": None}, "0"), ({}, "0"), ("free", "0"), ({"credits": [1]}, "0")],
)  # fmt: skip
def test_a_servers_account_is_bounded(told: Any, credits: str) -> None:
    result = CallToolResult(content=[], meta={"_metering": told})

    assert metered(result, Decimal(1)).credits == Decimal(credits)
