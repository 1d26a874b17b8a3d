"""What of an OpenAPI 3 document an agent needs: its operations, each with its parameters as JSON schemas."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

Place = Literal["path", "query", "header", "body"]

METHODS: Final = ("get", "put", "post", "delete", "patch", "head")
MOST_DEPTH: Final = 30
MOST_NODES: Final = 20_000
_FORBIDDEN_HEADERS: Final = frozenset({"authorization", "cookie", "host", "content-length", "content-type"})
_NOT_IN_NAMES: Final = re.compile(r"[^a-zA-Z0-9]+")
_PLACEHOLDER: Final = re.compile(r"\{([^{}]+)\}")


class WrongDocument(ValueError):
    """The document cannot be used; the message says why."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Parameter:
    """One thing that an operation is told. `name` is what the model knows, `key` what the API does."""

    name: str
    key: str
    place: Place
    required: bool
    schema: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One thing that an API does."""

    name: str
    description: str
    method: str
    path: str
    parameters: tuple[Parameter, ...]


@dataclass(frozen=True, kw_only=True)
class Document:
    """An API."""

    server: str
    operations: tuple[Operation, ...]


def read(text: str) -> Document:
    """The API that an OpenAPI 3 document in JSON describes. Raises WrongDocument."""
    try:
        told = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise WrongDocument("the document is not valid JSON") from error
    if not isinstance(told, dict) or not str(told.get("openapi", "")).startswith("3."):
        raise WrongDocument("the document is no OpenAPI 3 document: 'openapi' has to be 3.x")
    reader = _Reader(told)
    servers = reader.mappings(told.get("servers"))
    operations = tuple(reader.operations())
    names = [operation.name for operation in operations]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise WrongDocument(f"two operations are called {twice!r}")
    return Document(server=str(servers[0].get("url", "")) if servers else "", operations=operations)


class _Reader:
    """Reads one document; references are followed within it only, and not for ever."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._nodes = 0

    def operations(self) -> Iterator[Operation]:
        paths = self._document.get("paths")
        if not isinstance(paths, dict):
            raise WrongDocument("the document has no 'paths'")
        for path, item in paths.items():
            item = self._resolved(item)
            shared = self.mappings(item.get("parameters"))
            for method in METHODS:
                if isinstance(described := item.get(method), dict):
                    yield self._operation(str(path), method, described, shared)

    def mappings(self, items: Any) -> list[dict[str, Any]]:
        """The objects of a list, references followed; nothing of what is no list."""
        return [self._resolved(item) for item in items] if isinstance(items, list) else []

    def _operation(
        self, path: str, method: str, described: Mapping[str, Any], shared: Sequence[Mapping[str, Any]]
    ) -> Operation:
        name = _NOT_IN_NAMES.sub("_", str(described.get("operationId") or f"{method}_{path}")).strip("_")[:64]
        told = " ".join(str(described.get(part) or "") for part in ("summary", "description")).strip()
        parameters = self._parameters(described, shared)
        missing = set(_PLACEHOLDER.findall(path)) - {each.key for each in parameters if each.place == "path"}
        if missing:
            raise WrongDocument(f"{method.upper()} {path} does not say what {{{min(missing)}}} is")
        return Operation(
            name=name, description=(told or f"{method.upper()} {path}")[:1_000], method=method.upper(), path=path,
            parameters=tuple(parameters),
        )  # fmt: skip

    def _parameters(self, described: Mapping[str, Any], shared: Sequence[Mapping[str, Any]]) -> list[Parameter]:
        found: dict[tuple[str, str], Parameter] = {}
        for given in (*shared, *self.mappings(described.get("parameters"))):
            key, place = str(given.get("name", "")), given.get("in")
            if place not in ("path", "query", "header") or key.lower() in _FORBIDDEN_HEADERS:
                continue
            schema = self._whole(given.get("schema") or {"type": "string"})
            if told := given.get("description"):
                schema = {**schema, "description": str(told)[:1_000]}
            required = place == "path" or bool(given.get("required"))
            name = _NOT_IN_NAMES.sub("_", key).strip("_") or "value"
            found[key, place] = Parameter(name=name, key=key, place=place, required=required, schema=schema)
        body = self._resolved(described.get("requestBody") or {})
        content = body.get("content", {}).get("application/json")
        if isinstance(content, dict):
            schema = self._whole(content.get("schema") or {})
            found["", "body"] = Parameter(
                name="body", key="", place="body", required=bool(body.get("required")), schema=schema
            )
        names = [each.name for each in found.values()]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise WrongDocument(f"two parameters of an operation are called {twice!r}")
        return list(found.values())

    def _resolved(self, item: Any) -> dict[str, Any]:
        """An object, or what it refers to."""
        for _ in range(MOST_DEPTH):
            if not isinstance(item, dict):
                raise WrongDocument("an object of the document is something else")
            if "$ref" not in item:
                return item
            item = self._at(str(item["$ref"]))
        raise WrongDocument("references of the document go in circles")

    def _at(self, reference: str) -> Any:
        if not reference.startswith("#/"):
            raise WrongDocument(f"the reference {reference[:100]!r} leads out of the document")
        found: Any = self._document
        for part in reference[2:].split("/"):
            part = part.replace("~1", "/").replace("~0", "~")
            if not isinstance(found, dict) or part not in found:
                raise WrongDocument(f"the reference {reference[:100]!r} leads nowhere")
            found = found[part]
        return found

    def _whole(self, schema: Any, depth: int = 0) -> Any:
        """A schema with what it refers to in the place of the references."""
        self._nodes += 1
        if self._nodes > MOST_NODES:
            raise WrongDocument("the document's schemas are too large")
        if isinstance(schema, list):
            return [self._whole(part, depth + 1) for part in schema]
        if not isinstance(schema, dict):
            return schema
        if depth > MOST_DEPTH:
            return {}  # a schema within itself: from here on it may be anything
        if "$ref" in schema:
            return self._whole(self._resolved(schema), depth + 1)
        return {name: self._whole(part, depth + 1) for name, part in schema.items()}
