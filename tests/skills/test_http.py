"""The http skill: an API with tools for its operations."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from agents.adapters.http import SafeHttp
from agents.runtime.assembly import Members
from skills.http import HttpSkill
from skills.sdk import ToolFailed, ToolRetry
from skills.sdk.testing import MemorySecrets, context
from tests.fakes.site import Site

ORDER = {"type": "object", "properties": {"item": {"type": "string"}, "count": {"type": "integer", "minimum": 1}},
         "required": ["item"]}  # fmt: skip


TREE = {"properties": {"kids": {"$ref": "#/components/schemas/Tree"}}}
LANGUAGE = {"name": "X-Lang", "in": "header", "schema": {"enum": ["lv", "en"]}, "description": "Which language."}


def document(server: str, **paths: Any) -> str:
    told = {
        "openapi": "3.1.0",
        "servers": [{"url": server}],
        "components": {"schemas": {"Order": ORDER, "Tree": TREE}},
        "paths": {
            "/orders/{id}": {
                "parameters": [{"name": "id", "in": "path", "schema": {"type": "integer"}}],
                "get": {
                    "operationId": "get_order",
                    "summary": "Say where an order is.",
                    "parameters": [
                        {"name": "tag", "in": "query", "schema": {"type": "array", "items": {"type": "string"}}},
                        LANGUAGE,
                        {"name": "Authorization", "in": "header", "schema": {"type": "string"}},
                    ],
                },
            },
            "/orders": {
                "post": {
                    "requestBody": {
                        "required": True,
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Order"}}},
                    }
                }
            },
            **paths,
        },
    }
    return json.dumps(told)


def skill(server: str, **options: Any) -> HttpSkill:
    return HttpSkill(HttpSkill.Options(document=document(server), **options))


async def call(made: HttpSkill, operation: str, *, secrets: Any = None, **arguments: Any) -> Any:
    tool = Members.of({"http": made}).tools[operation]
    ctx = context(http=SafeHttp(), **({"secrets": secrets} if secrets else {}))
    return await tool.method(ctx=ctx, **tool.arguments.check(arguments))


def test_each_operation_is_a_tool_with_its_parameters() -> None:
    tools = Members.of({"http": skill("https://api.example.com")}).tools

    assert set(tools) == {"get_order", "post_orders"}
    schema = tools["get_order"].definition["function"]["parameters"]
    assert schema["required"] == ["id"]
    assert schema["properties"]["id"] == {"type": "integer"}
    assert schema["properties"]["X_Lang"]["enum"] == ["lv", "en"]
    assert "Authorization" not in schema["properties"]
    assert tools["post_orders"].definition["function"]["parameters"]["properties"]["body"]["required"] == ["item"]
    assert (tools["get_order"].spec.irreversible, tools["post_orders"].spec.irreversible) == (False, True)


async def test_what_is_asked_goes_where_the_document_says(here: Site) -> None:
    here.put("/api/orders/17?tag=a+b&tag=c", '{"at": "the door"}', kind="application/json")

    told = await call(skill(f"{here.url}/api/"), "get_order", id=17, tag=["a b", "c"], X_Lang="lv")

    (asked,) = here.asked
    assert json.loads(told) == {"at": "the door"}
    assert (asked.method, asked.headers["x-lang"]) == ("GET", "lv")


async def test_a_body_is_sent_as_json_and_checked(here: Site) -> None:
    here.put("/orders", "", status=201)
    made = skill(here.url)

    told = await call(made, "post_orders", body={"item": "door", "count": 2})

    assert "201" in told
    assert json.loads(here.asked[0].body) == {"item": "door", "count": 2}
    with pytest.raises(ToolRetry, match="count"):
        await call(made, "post_orders", body={"item": "door", "count": 0})
    assert len(here.asked) == 1


async def test_the_secret_is_sent_and_the_model_never_sees_it(here: Site) -> None:
    here.put("/orders/1", "{}", kind="application/json")
    made = skill(here.url, credential="orders", credential_header="X-Api-Key", credential_format="key={{secret}}")

    await call(made, "get_order", secrets=MemorySecrets(credentials={"orders": "s3cret"}, base_url=here.url), id=1)

    assert here.asked[0].headers["x-api-key"] == "key=s3cret"
    assert "s3cret" not in json.dumps([tool.definition for tool in Members.of({"http": made}).tools.values()])


async def test_a_refusal_is_told_with_what_was_said(here: Site) -> None:
    here.put("/orders/2", "no such order", kind="text/plain", status=404)

    with pytest.raises(ToolFailed, match=r"404: no such order"):
        await call(skill(here.url), "get_order", id=2)


async def test_a_long_answer_is_cut(here: Site) -> None:
    here.put("/orders/3", "x" * 2_000, kind="text/plain")

    told = await call(skill(here.url, max_characters=500), "get_order", id=3)

    assert told == "x" * 500 + " (cut)"


@pytest.mark.parametrize("id", ["..", ".", "", "a\nb"])
async def test_no_argument_leads_elsewhere(here: Site, id: str) -> None:
    path = {"/files/{name}": {"get": {"operationId": "file", "parameters": [
        {"name": "name", "in": "path", "schema": {"type": "string"}}]}}}  # fmt: skip
    made = HttpSkill(HttpSkill.Options(document=document(here.url, **path)))

    with pytest.raises(ToolRetry):
        await call(made, "file", name=id)
    here.put("/files/..%2F..%2Fetc", "kept inside", kind="text/plain")
    assert await call(made, "file", name="../../etc") == "kept inside"


async def test_an_inner_address_is_not_reached(here: Site) -> None:
    import outbound

    outbound.configure()

    with pytest.raises(ToolFailed):
        await call(skill(here.url), "get_order", id=1)

    assert here.asked == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"document": "{"}, "JSON"),
        ({"document": "{}"}, "OpenAPI 3"),
        ({"document": '{"openapi": "3.0.0"}'}, "paths"),
        ({"document": document("/relative")}, "where the API is"),
        ({"document": document("https://a.example"), "operations": ["dance"]}, "dance"),
        ({"document": document("https://a.example"), "base_url": "file:///etc"}, "https://host"),
        ({"document": document("https://a.example", **{"/x/{y}": {"get": {}}})}, "{y}"),
        ({"document": document("https://a.example", **{"/x": {"$ref": "https://evil.example/"}})}, "leads out"),
        ({"document": document("https://a.example", **{"/x": {"$ref": "#/paths/~1x"}})}, "circles"),
        ({"headers": ["X: a\r\nY: b"]}, "headers"),
    ],
)
def test_a_document_that_cannot_be_used_says_why(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as refused:
        HttpSkill.Options(**options)

    assert words in str(refused.value)


def test_a_schema_within_itself_is_cut_off() -> None:
    body = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Tree"}}}}
    text = document("https://a.example", **{"/trees": {"post": {"operationId": "plant", "requestBody": body}}})

    tools = Members.of({"http": HttpSkill(HttpSkill.Options(document=text))}).tools

    assert "kids" in json.dumps(tools["plant"].definition)


async def test_an_expression_that_takes_for_ever_keeps_nobody_waiting(here: Site) -> None:
    parameter = {"name": "q", "in": "query", "schema": {"type": "string", "pattern": "^(a+)+$"}}
    text = document(here.url, **{"/q": {"get": {"operationId": "ask", "parameters": [parameter]}}})
    here.put("/q?q=" + "a" * 40 + "!", "answered", kind="text/plain")

    assert await call(HttpSkill(HttpSkill.Options(document=text)), "ask", q="a" * 40 + "!") == "answered"
