"""The OpenAPI document of everything that OpenAI's clients may ask: made from the types that requests are read with."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import msgspec

from api.openai import answers, embeddings
from api.openai.fields import FIELDS
from api.openai.shapes import release
from skills.sdk.parameters import VENDORS

INTRODUCTION = """\
Agents, reached as OpenAI's models are. Point any client of OpenAI's at this server and name an agent as `model`:
`agent` for one of your own organization, `organization/agent` for a public one of another.

Every answer carries `X-Request-ID`; every refusal has the shape of `Error`, an honest status, and says what to do.
Money is in whole nanodollars, as strings (`…_nanos`), and in exact dollars (`…_usd`).
"""

_REFUSALS: Mapping[int, str] = {
    400: "The request is wrong; `param` names the field.",
    401: "There is no key, or not one that is known.",
    402: "There is not enough money.",
    403: "The key may not do this.",
    404: "There is no such thing, or it is not this key's to see.",
    405: "The address does not take this method.",
    408: "The request took too long to arrive, or its client left.",
    409: "A request with this Idempotency-Key is being answered.",
    413: "The body is too large.",
    415: "The body is not plain JSON.",
    422: "This Idempotency-Key came with another request.",
    429: "Too many requests, or too many at once; wait as long as `Retry-After` says.",
    500: "Something went wrong on our side.",
    502: "The agent's model failed.",
    503: "Not at the moment; try again.",
    504: "The agent's model, or the agent, took too long.",
}
READING: Sequence[int] = (400, 401, 403, 404, 405, 429, 500, 503)
PAYING: Sequence[int] = tuple(_REFUSALS)

_HEADERS: Mapping[str, str] = {
    "X-Request-ID": "The id of the request: the client's own, if it sent a sensible one.",
    "openai-processing-ms": "How long the answer took to begin.",
    "openai-version": "The version of OpenAI's API that is spoken.",
}
_RUN_HEADERS: Mapping[str, str] = {
    "x-robutler-run-id": "The run that answered; see `GET /v1/runs/{run_id}`.",
    "x-robutler-cost": "What it cost in exact dollars; of streams see the run.",
    "x-robutler-settlement": "`deferred` in place of the cost: the books are away and will follow.",
    "x-robutler-max-tokens": "What the answer was cut to, where there is no money for all that was asked for.",
    "x-robutler-ignored-params": "Fields of the request that no model was sent.",
    "Idempotent-Replayed": "`true` if this was answered before to the same Idempotency-Key.",
}
_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "The same request with the same key is run once within 24 hours; later ones get the first answer.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
}
_MAX_COST = {
    "name": "X-Max-Cost-USD",
    "in": "header",
    "description": "The most that the request may cost, in dollars; its answer is cut to what that pays for.",
    "schema": {"type": "string", "pattern": "^[0-9]{1,9}(\\.[0-9]{1,9})?$"},
}
_AGENT = {"name": "agent", "in": "path", "required": True, "schema": {"type": "string", "maxLength": 63}}
_ORGANIZATION = {**_AGENT, "name": "organization"}
_KEY_OR_NONE: list[Any] = [{}, {"key": []}]
_REF = "#/components/schemas/{name}"
_REQUIRED = ("messages",)
_ANSWERS = (
    answers.ChatCompletion, answers.Embeddings, answers.Error, answers.Model, answers.ModelList, answers.Agent,
    answers.Platform,
)  # fmt: skip
_SHAPES = {"/v1/models": "ModelList", "/v1/models/{id}": "Model"}
"""What those endpoints answer that are of the framework and yet encode their answers themselves."""
_OPEN = ("/v1/agents",)
"""Those of the framework's that answer strangers, too."""
_EVENTS = "With `stream`: server-sent events whose data are chunks, then the last one's, `[DONE]`."
_EXAMPLES: Mapping[str, Any] = {
    "ChatCompletionRequest": {"model": "assistant", "messages": [{"role": "user", "content": "What is 17 * 23?"}]},
    "EmbeddingRequest": {"model": "scripted/hashing", "input": "The cat sat on the mat."},
}
_TAGS = {"Chat": "Asking agents.", "Agents": "Which there are.", "Runs": "What ran.", "Usage": "What it cost."}


@cache
def document() -> bytes:
    """The document, as JSON."""
    return msgspec.json.encode(_document())


def _document() -> dict[str, Any]:
    from api.openai.router import api  # it serves this document

    found = msgspec.json.decode(msgspec.json.encode(api.get_openapi_schema(path_prefix="")))
    schemas = {**found["components"]["schemas"], **_components()}
    paths = {path: _completed(path, operations) for path, operations in found["paths"].items()}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Robutler", "version": release(), "description": INTRODUCTION},
        "servers": [{"url": "/"}],
        "security": [{"key": []}],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "paths": {**_plain_paths(), **paths},
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "responses": {str(status): _refusal(text) for status, text in _REFUSALS.items()},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "An API key, `rb_live_…`."}},
        },
    }


def _components() -> dict[str, Any]:
    """Every type of the plain endpoints, under its name."""
    fields = {name: kind if name in _REQUIRED else kind | None for name, kind in FIELDS.items()}
    kinds, components = msgspec.json.schema_components(
        [*_ANSWERS, *fields.values(), *embeddings.TYPES.values()], ref_template=_REF
    )
    completion = dict(zip(fields, kinds[len(_ANSWERS) :], strict=False))
    vendors = {name: {"description": "Of other vendors."} for name in sorted(VENDORS)}
    embedding = dict(zip(embeddings.TYPES, kinds[len(_ANSWERS) + len(fields) :], strict=True))
    return {
        **components,
        "ChatCompletionRequest": _object({**completion, **vendors}, required=["messages"]),
        "EmbeddingRequest": _object({**embedding, "input": _inputs()}, required=["input", "model"]),
    }


def _inputs() -> dict[str, Any]:
    forms: list[Any] = [embeddings.Text, embeddings.Tokens, list[embeddings.Text], list[embeddings.Tokens]]
    one, tokens, *many = map(msgspec.json.schema, forms)
    return {"anyOf": [one, tokens, *({**form, "minItems": 1, "maxItems": embeddings.MAX_INPUTS} for form in many)]}


def _object(properties: Mapping[str, Any], *, required: Sequence[str]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def _plain_paths() -> dict[str, Any]:
    """The endpoints that no framework describes."""
    chat: dict[str, tuple[str, list[Any]]] = {
        "/v1/chat/completions": ("Ask the agent that 'model' names", []),
        "/{agent}/chat/completions": ("Ask an agent of your own organization", [_AGENT]),
        "/{organization}/{agent}/chat/completions": ("Ask a public agent", [_ORGANIZATION, _AGENT]),
    }
    return {
        **{path: {"post": _chat(summary, parameters)} for path, (summary, parameters) in chat.items()},
        "/v1/embeddings": {"post": _paid("Make embeddings", [], body="EmbeddingRequest", answer=_json("Embeddings"))},
        "/": {"get": _read("The platform", [], answer="Platform")},
        "/{agent}": {"get": _read("An agent of your own organization", [_AGENT], answer="Agent")},
        "/{organization}/{agent}": {"get": _read("A public agent", [_ORGANIZATION, _AGENT], answer="Agent")},
    }


def _chat(summary: str, parameters: list[Any]) -> dict[str, Any]:
    content = {**_json("ChatCompletion"), "text/event-stream": {"schema": {"description": _EVENTS}}}
    return _paid(summary, parameters, body="ChatCompletionRequest", answer=content)


def _paid(summary: str, parameters: list[Any], *, body: str, answer: dict[str, Any]) -> dict[str, Any]:
    headers = _headers({**_HEADERS, **_RUN_HEADERS})
    return {
        "tags": ["Chat"],
        "summary": summary,
        "parameters": [*parameters, _IDEMPOTENCY_KEY, _MAX_COST],
        "requestBody": {"required": True, "content": _example(body)},
        "responses": {
            "200": {"description": "The answer.", "headers": headers, "content": answer},
            **_refusals(PAYING),
        },
    }


def _read(summary: str, parameters: list[Any], *, answer: str) -> dict[str, Any]:
    return {
        "tags": ["Agents"],
        "summary": summary,
        "parameters": parameters,
        "security": _KEY_OR_NONE,
        "responses": {
            "200": {"description": "OK", "headers": _headers(_HEADERS), "content": _json(answer)},
            **_refusals(READING),
        },
    }


def _completed(path: str, operations: Mapping[str, Any]) -> dict[str, Any]:
    """What the framework knows of an address, and what holds for all of them besides."""
    return {method: _with_rest(path, operation, pays=method == "post") for method, operation in operations.items()}


def _with_rest(path: str, operation: Mapping[str, Any], *, pays: bool) -> dict[str, Any]:
    kept = {name: value for name, value in operation.items() if name not in ("operationId", "security")}
    answer = {**operation["responses"]["200"], "headers": _headers(_HEADERS)}
    if path in _OPEN:
        kept["security"] = _KEY_OR_NONE
    if path in _SHAPES:
        answer["content"] = _json(_SHAPES[path])
    kept["responses"] = {"200": answer, **_refusals(PAYING if pays else READING)}
    if pays:
        kept["requestBody"] = {"required": True, "content": _example("ChatCompletionRequest")}
    return kept


def _example(body: str) -> dict[str, Any]:
    """A body and one that can be sent as it is; without it, pages that try requests out make one of every field."""
    content = _json(body)
    content["application/json"] = {**content["application/json"], "example": _EXAMPLES[body]}
    return content


def _refusals(statuses: Sequence[int]) -> dict[str, Any]:
    return {str(status): {"$ref": f"#/components/responses/{status}"} for status in statuses}


def _refusal(text: str) -> dict[str, Any]:
    return {"description": text, "headers": _headers(_HEADERS), "content": _json("Error")}


def _headers(described: Mapping[str, str]) -> dict[str, Any]:
    return {name: {"description": text, "schema": {"type": "string"}} for name, text in described.items()}


def _json(name: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": _REF.format(name=name)}}}
