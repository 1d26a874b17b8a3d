"""An HTTP API, with a tool for each of its operations."""

import inspect
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import cached_property
from typing import Annotated, Any, Final
from urllib.parse import quote, urlencode, urlsplit

from pydantic import Field, WithJsonSchema, field_validator, model_validator

from skills.http import openapi
from skills.http.openapi import Document, Operation, Parameter, WrongDocument
from skills.sdk import CredentialReference, RunContext, Skill, ToolFailed, ToolRetry
from skills.sdk.specs import Spec, ToolSpec

MOST_OPERATIONS: Final = 60
PLACE: Final = "{{secret}}"
"""Stands for the credential in the header that carries it; it is put in as it is, and nothing else is."""
_HEADER: Final = r"^[A-Za-z0-9-]{1,64}$"

Header = Annotated[str, Field(max_length=2_000, pattern=r"^[A-Za-z0-9-]{1,64}:\s*[\x20-\x7e]*$")]


class HttpSkill(Skill):
    """Lets an agent use an HTTP API that an OpenAPI document describes, with a secret that no model sees."""

    name = "http"

    class Options(Skill.Options):
        """Which API, and with which key."""

        document: str = Field(default="", max_length=200_000, description="The API's OpenAPI 3 document, as JSON.")
        base_url: str = Field(
            default="", max_length=500, description="Where the API is, if not where its document says: https://…"
        )
        operations: tuple[str, ...] = Field(
            default=(), max_length=MOST_OPERATIONS, description="Names of the operations to offer; empty means all."
        )
        headers: tuple[Header, ...] = Field(
            default=(), max_length=20, description="Headers of every request, one a line: 'Accept-Language: lv'."
        )
        credential: CredentialReference | None = Field(
            default=None, description="The credential to send; it is stored for provider 'http' with the API's address."
        )
        credential_header: str = Field(
            default="Authorization", pattern=_HEADER, description="The header that carries the credential."
        )
        credential_format: str = Field(
            default=f"Bearer {PLACE}",
            max_length=200,
            description=f"What the header says; {PLACE} is the credential.",
        )
        max_characters: int = Field(
            default=20_000, ge=500, le=60_000, description="So much of an answer is told to the model."
        )

        @field_validator("base_url")
        @classmethod
        def _address(cls, value: str) -> str:
            if value and urlsplit(value).scheme not in ("http", "https"):
                raise ValueError("write https://host or https://host/path")
            return value.rstrip("/")

        @model_validator(mode="after")
        def _usable(self) -> "HttpSkill.Options":
            if not self.document:
                return self
            told = openapi.read(self.document)
            if urlsplit(self.base_url or told.server).scheme not in ("http", "https"):
                raise WrongDocument("neither the document nor base_url says where the API is")
            known = {operation.name for operation in told.operations}
            if unknown := [name for name in self.operations if name not in known]:
                raise WrongDocument(f"there is no operation {unknown[0]!r}; there are {', '.join(sorted(known))}")
            if not self.operations and len(known) > MOST_OPERATIONS:
                raise WrongDocument(f"name the operations to offer: more than {MOST_OPERATIONS} are too many")
            return self

    options: Options

    def members(self) -> Iterator[tuple[Callable[..., Any], tuple[Spec, ...]]]:
        """A tool for each operation."""
        yield from super().members()
        for operation in self._document.operations if self.options.document else ():
            if not self.options.operations or operation.name in self.options.operations:
                spec = ToolSpec(
                    name=operation.name,
                    description=operation.description,
                    ingests_untrusted=True,
                    egress=True,
                    irreversible=operation.method not in ("GET", "HEAD"),
                )
                yield self._tool(operation), (spec,)

    @cached_property
    def _document(self) -> Document:
        return openapi.read(self.options.document)

    @property
    def _server(self) -> str:
        return self.options.base_url or self._document.server.rstrip("/")

    def _tool(self, operation: Operation) -> Callable[..., Awaitable[str]]:
        """The operation as an async function with its parameters."""

        async def call(ctx: RunContext, **given: Any) -> str:
            return await self._called(ctx, operation, given)

        parameters = [inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=RunContext)]
        for each in operation.parameters:
            default = inspect.Parameter.empty if each.required else None
            hint = Annotated[Any, WithJsonSchema(dict(each.schema))]
            parameters.append(
                inspect.Parameter(each.name, inspect.Parameter.KEYWORD_ONLY, annotation=hint, default=default)
            )
        call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # as inspect looks for it
        call.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        call.__name__ = call.__qualname__ = operation.name
        return call

    async def _called(self, ctx: RunContext, operation: Operation, given: Mapping[str, Any]) -> str:
        told = {each: given[each.name] for each in operation.parameters if given.get(each.name) is not None}
        for parameter, value in told.items():
            _check(parameter, value)
        headers = await self._headers(ctx) | {
            parameter.key: _plain(value) for parameter, value in told.items() if parameter.place == "header"
        }
        body = next((value for parameter, value in told.items() if parameter.place == "body"), None)
        if body is not None:
            headers["Content-Type"] = "application/json"
        status, _, content = await ctx.ports.http.request(
            operation.method,
            f"{self._server}{_path(operation, told)}",
            headers=headers,
            body=b"" if body is None else json.dumps(body).encode(),
        )
        text = content.decode("utf-8", errors="replace")[: self.options.max_characters]
        if status >= 400:
            raise ToolFailed(f"{operation.name} answered with status {status}: {text[:2_000]}")
        cut = " (cut)" if len(content) > self.options.max_characters else ""
        return text + cut if text else f"{operation.name} answered with status {status} and nothing else."

    async def _headers(self, ctx: RunContext) -> dict[str, str]:
        headers = {"Accept": "application/json"}
        for line in self.options.headers:
            name, _, value = line.partition(":")
            headers[name] = value.strip()
        if self.options.credential is not None:
            opened = await ctx.ports.secrets.credential(
                "http", reference=self.options.credential, base_url=self._server
            )
            sent = self.options.credential_format.replace(PLACE, opened.secret.reveal())
            headers[self.options.credential_header] = sent
        return headers


def _nothing_wrong(*_: object) -> Iterator[Any]:
    return iter(())


_WITHOUT_PATTERNS: Final = {"pattern": _nothing_wrong, "patternProperties": _nothing_wrong}
"""A document's regular expression may take for ever, and would have everybody wait."""


def _check(parameter: Parameter, value: Any) -> None:
    """Raise ToolRetry for what does not fit the parameter's schema."""
    # Imported here: it takes a while, and most agents never call an API.
    import jsonschema

    extend = jsonschema.validators.extend
    validator = extend(jsonschema.Draft202012Validator, _WITHOUT_PATTERNS)  # type: ignore[no-untyped-call]
    try:
        error = jsonschema.exceptions.best_match(validator(parameter.schema).iter_errors(value))
    except (jsonschema.exceptions.SchemaError, RecursionError) as wrong:
        raise ToolFailed(f"The API's document does not describe {parameter.name} well enough.") from wrong
    if error is not None:
        where = "".join(f".{part}" for part in error.absolute_path)
        raise ToolRetry(f"{parameter.name}{where}: {error.message[:500]}")


def _path(operation: Operation, told: Mapping[Parameter, Any]) -> str:
    path = operation.path
    query: list[tuple[str, str]] = []
    for parameter, value in told.items():
        if parameter.place == "path":
            segment = quote(_plain(value), safe="")
            if segment in ("", ".", ".."):
                raise ToolRetry(f"{parameter.name} cannot be {value!r}.")
            path = path.replace(f"{{{parameter.key}}}", segment)
        elif parameter.place == "query":
            values = value if isinstance(value, list) else [value]
            query += [(parameter.key, _plain(each)) for each in values]
    return f"{path}?{urlencode(query)}" if query else path


def _plain(value: Any) -> str:
    """A value as text, the way addresses and headers carry it."""
    text = value if isinstance(value, str) else json.dumps(value)
    if any(ord(character) < 32 or ord(character) == 127 for character in text):
        raise ToolRetry("Control characters cannot be sent.")
    return text
