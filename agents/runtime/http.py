"""The HTTP handlers that an agent's skills bring: finding the one for a request, and binding its arguments."""

import inspect
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qsl, unquote

from agents.runtime import threads
from skills.sdk.context import RunContext, Scope, current_run
from skills.sdk.errors import ToolRetry
from skills.sdk.schema import Arguments
from skills.sdk.specs import HttpSpec

if TYPE_CHECKING:
    from agents.runtime.agent import BaseAgent

_PARAMETER = re.compile(r"\\\{(\w+)\\\}")


@dataclass(frozen=True, kw_only=True)
class BoundHandler:
    """A skill's method that answers requests at one subpath of the agent's address."""

    spec: HttpSpec
    skill: str
    scope: Scope
    method: Callable[..., Any]
    arguments: Arguments
    pattern: re.Pattern[str]

    @classmethod
    def of(cls, method: Callable[..., Any], *, spec: HttpSpec, skill: str, scope: Scope) -> Self:
        """Make a handler of a skill's method."""
        pattern = re.compile(_PARAMETER.sub(r"(?P<\1>[^/]+)", re.escape(spec.subpath)))
        return cls(spec=spec, skill=skill, scope=scope, method=method, arguments=Arguments(method), pattern=pattern)

    @property
    def route(self) -> tuple[str, str]:
        """What no two handlers of an agent may share."""
        return self.spec.method, re.sub(r"\{\w+\}", "{}", self.spec.subpath)


@dataclass(frozen=True, kw_only=True)
class Found:
    """The handler for a path, and what the path itself says."""

    handler: BoundHandler
    path_arguments: Mapping[str, str]


def find_handler(agent: "BaseAgent", *, method: str, subpath: str) -> Found | None:
    """The handler for a request under the agent's address; literal paths win over those with parameters."""
    for handler in sorted(agent.http_handlers, key=lambda handler: "{" in handler.spec.subpath):
        if handler.spec.method == method and (matched := handler.pattern.fullmatch(subpath)):
            arguments = {name: unquote(value) for name, value in matched.groupdict().items()}
            return Found(handler=handler, path_arguments=arguments)
    return None


def allowed_methods(agent: "BaseAgent", subpath: str) -> frozenset[str]:
    """The methods that some handler answers at this path; empty when there is none."""
    return frozenset(handler.spec.method for handler in agent.http_handlers if handler.pattern.fullmatch(subpath))


async def answer(found: Found, ctx: RunContext, *, query: str = "", body: bytes = b"") -> Any:
    """Call the handler with what path, query and JSON body say, the path winning.

    Raises ToolRetry when they do not fit. Whoever calls has checked `handler.scope` against the caller's.
    """
    handler = found.handler
    known = handler.arguments.schema["properties"]
    given: dict[str, Any] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if known.get(name, {}).get("type") == "array":
            given.setdefault(name, []).append(value)
        else:
            given[name] = value
    arguments = handler.arguments.check({**given, **_body(body), **found.path_arguments})
    if handler.arguments.context_parameter is not None:
        arguments[handler.arguments.context_parameter] = ctx
    token = current_run.set(ctx)
    try:
        if inspect.iscoroutinefunction(handler.method):
            return await handler.method(**arguments)
        return await threads.work(handler.method, arguments, organization_id=ctx.organization_id)
    finally:
        current_run.reset(token)


def _body(body: bytes) -> dict[str, Any]:
    if not body.strip():
        return {}
    try:
        given = json.loads(body)
    except (ValueError, RecursionError):
        raise ToolRetry("The body is not valid JSON.") from None
    if not isinstance(given, dict):
        raise ToolRetry("The body must be one JSON object.")
    return given
