"""The API document: whole, true, and open to everybody."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from api.openai.schemas import decode
from api.problems import InvalidRequest
from tests.api.client import HELLO, ApiClient


@pytest.fixture
def document(stranger: ApiClient) -> Any:
    """What anybody reads."""
    return stranger.get("/v1/openapi.json").json


def accepts(document: Any, name: str, value: Any) -> bool:
    """Whether a value is of one of the document's types."""
    schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    return bool(Draft202012Validator(schema).is_valid(value))


def test_every_address_of_the_api_is_in_it(document: Any) -> None:
    from api.openai.router import api

    hidden = {"/v1/openapi.json", "/v1/docs", "/{agent_path:path}"}
    routes = {
        f"{bound.prefix}{path}" if not path.startswith("/v1") else path
        for bound in api._get_bound_routers()
        for path in bound.path_operations
    }

    assert len(document["paths"]) >= len(routes - hidden)
    assert {"/v1/chat/completions", "/v1/embeddings", "/v1/estimate", "/v1/runs/{run_id}"} <= document["paths"].keys()


def test_every_reference_leads_somewhere(document: Any) -> None:
    def references(value: Any) -> Any:
        if isinstance(value, dict):
            yield from ([value["$ref"]] if isinstance(value.get("$ref"), str) else ())
            for inner in value.values():
                yield from references(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from references(inner)

    for reference in references(document):
        _, _, kind, name = reference.split("/")
        assert name in document["components"][kind], reference


def test_no_two_types_share_a_name(document: Any) -> None:
    """Types of requests and of answers come from two libraries, neither of which knows of the other's."""
    from api.openai.document import _components
    from api.openai.router import api

    assert not _components().keys() & api.get_openapi_schema(path_prefix="")["components"]["schemas"].keys()


def test_it_tells_nothing_of_anybody(document: Any, acme: Any, acme_client: ApiClient, stranger: ApiClient) -> None:
    assert acme.slug not in str(document)
    assert acme_client.get("/v1/openapi.json").body == stranger.get("/v1/openapi.json").body


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"temperature": 1, "top_k": 5, "tools": None},
        {"tools": [{"type": "function", "function": {"name": "look"}}], "tool_choice": "auto"},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]},
        {"stream": True, "stream_options": {"include_usage": True}},
        {"temperature": 3},
        {"temprature": 1},
        {"messages": []},
        {"messages": [{"role": "nobody", "content": "hi"}]},
        {"n": 0},
        {"tool_choice": "sometimes"},
    ],
)
def test_it_knows_what_the_server_takes(document: Any, fields: dict[str, Any]) -> None:
    import json

    body = {"model": "x", **HELLO, **fields}
    try:
        decode(json.dumps(body).encode())
        is_taken = True
    except InvalidRequest:
        is_taken = False

    assert accepts(document, "ChatCompletionRequest", body) is is_taken


def test_answers_are_of_the_types_that_it_names(
    document: Any, acme_client: ApiClient, stranger: ApiClient, greeter: str
) -> None:
    body = {"model": greeter, **HELLO}
    completion = acme_client.post("/v1/chat/completions", body)
    run = acme_client.get(f"/v1/runs/{completion.headers['x-robutler-run-id']}")
    found = {
        "ChatCompletion": completion,
        "RunWithCharges": run,
        "RunList": acme_client.get("/v1/runs"),
        "Usage": acme_client.get("/v1/usage?group_by=agent"),
        "Key": acme_client.get("/v1/key"),
        "EstimateAnswer": acme_client.post("/v1/estimate", body),
        "ModelList": acme_client.get("/v1/models"),
        "Model": acme_client.get(f"/v1/models/{greeter}"),
        "Agent": acme_client.get(f"/{greeter}"),
        "Platform": stranger.get("/"),
        "Error": stranger.get("/v1/key"),
    }

    for name, answer in found.items():
        assert accepts(document, name, answer.json), (name, answer.json)
        assert not accepts(document, name, {**answer.json, "object": 5, "error": 5, "name": 5, "message": 5}), name


def test_its_page_loads_from_here_alone(stranger: ApiClient) -> None:
    page = stranger.get("/v1/docs")

    assert page.status == 200
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert b"https://" not in page.body
    assert b"<style" not in page.body
