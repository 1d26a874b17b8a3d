"""The decorators that make a method a tool, a hook, a prompt, a handoff, an HTTP handler, or a priced tool."""

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast, get_args, overload

from skills.sdk.context import Scope
from skills.sdk.docstrings import described
from skills.sdk.specs import (
    Credits,
    HandoffSpec,
    HookEvent,
    HookSpec,
    HttpMethod,
    HttpSpec,
    PricingSpec,
    PromptSpec,
    Spec,
    ToolSpec,
    in_credits,
)

Function = TypeVar("Function", bound=Callable[..., Any])

RESERVED_SEGMENTS = frozenset({"chat", "v1", "info"})
"""First segments under an agent's address that are the platform's own."""

TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_SUBPATH = re.compile(r"(/([A-Za-z0-9._~-]+|\{[a-z_][a-z0-9_]*\}))+")
_NOTED = "__robutler_specs__"


@overload
def tool(function: Function, /) -> Function: ...
@overload
def tool(
    *,
    name: str | None = None,
    description: str | None = None,
    scope: Scope = "all",
    background: bool = False,
    timeout_s: float | None = None,
    idempotent: bool = False,
    reads_private: bool = False,
    ingests_untrusted: bool = False,
    egress: bool = False,
    irreversible: bool = False,
    requires_approval: bool = False,
) -> Callable[[Function], Function]: ...
def tool(
    function: Function | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    scope: Scope = "all",
    timeout_s: float | None = None,
    **flags: bool,
) -> Any:
    """Offer a method to the model. Its schema comes from its type hints, its description from its docstring."""
    _check_scope(scope)
    if timeout_s is not None and timeout_s <= 0:
        raise ValueError(f"timeout_s must be positive, not {timeout_s}.")

    def decorate(method: Function) -> Function:
        called = name or method.__name__
        if not TOOL_NAME.fullmatch(called):
            raise ValueError(f"{called!r} cannot name a tool: up to 64 letters, digits, dashes and underscores can.")
        told = description or described(method).summary
        return _note(method, ToolSpec(name=called, description=told, scope=scope, timeout_s=timeout_s, **flags))

    return decorate if function is None else decorate(function)


def hook(event: HookEvent, *, priority: int = 50, scope: Scope = "all") -> Callable[[Function], Function]:
    """Run an async method at a moment of every run; lower priorities run earlier.

    It takes `ctx` and, if it wants, what the event is about; what it returns, unless None, takes that one's place.
    """
    if event not in get_args(HookEvent):
        raise ValueError(f"There is no hook {event!r}; there are {', '.join(get_args(HookEvent))}.")
    _check_scope(scope)

    def decorate(method: Function) -> Function:
        if not inspect.iscoroutinefunction(method):
            raise TypeError(f"The hook {method.__qualname__} must be `async def`: hooks run on the event loop.")
        return _note(method, HookSpec(event=event, priority=priority, scope=scope))

    return decorate


@overload
def prompt(function: Function, /) -> Function: ...
@overload
def prompt(*, priority: int = 50, scope: Scope = "all") -> Callable[[Function], Function]: ...
def prompt(function: Function | None = None, /, *, priority: int = 50, scope: Scope = "all") -> Any:
    """Add what the method returns to the system message; lower priorities stand earlier."""
    _check_scope(scope)

    def decorate(method: Function) -> Function:
        return _note(method, PromptSpec(priority=priority, scope=scope))

    return decorate if function is None else decorate(function)


@overload
def handoff(function: Function, /) -> Function: ...
@overload
def handoff(
    *, name: str | None = None, description: str | None = None, scope: Scope = "all", priority: int = 50
) -> Callable[[Function], Function]: ...
def handoff(
    function: Function | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    scope: Scope = "all",
    priority: int = 50,
) -> Any:
    """Let the conversation pass to an async method or generator, which returns a HandoffResult or streams."""
    _check_scope(scope)

    def decorate(method: Function) -> Function:
        if not (inspect.iscoroutinefunction(method) or inspect.isasyncgenfunction(method)):
            raise TypeError(f"The handoff {method.__qualname__} must be an async function or generator.")
        told = description or described(method).summary
        return _note(
            method, HandoffSpec(name=name or method.__name__, description=told, scope=scope, priority=priority)
        )

    return decorate if function is None else decorate(function)


def http(subpath: str, *, method: HttpMethod = "GET", scope: Scope = "all") -> Callable[[Function], Function]:
    """Answer HTTP requests at `/{agent}{subpath}`; path, query and body are bound to the method's arguments."""
    _check_scope(scope)
    if method not in get_args(HttpMethod):
        raise ValueError(f"{method!r} is no method a handler can answer; {', '.join(get_args(HttpMethod))} are.")
    if not _SUBPATH.fullmatch(subpath):
        raise ValueError(f"{subpath!r} is no subpath: write it as /things or /things/{{id}}.")
    first = subpath.split("/")[1]
    if first in RESERVED_SEGMENTS or first.startswith("{"):
        raise ValueError(f"{subpath!r} is reserved: /{first} under an agent's address belongs to the platform.")

    def decorate(function: Function) -> Function:
        return _note(function, HttpSpec(subpath=subpath, method=method, scope=scope))

    return decorate


def pricing(
    credits_per_call: Credits | None = None,
    *,
    lock: Callable[[Mapping[str, Any]], Credits] | str | None = None,
    settle: Callable[[Any], Credits] | str | None = None,
    reason: str = "",
) -> Callable[[Function], Function]:
    """Charge for a tool: `credits_per_call`, or `lock(arguments)` is held and `settle(result)` charged: never more.

    Both may be the name of a method of the same skill, which knows its options. A tool may also return
    `(result, PricingInfo)`. A call that fails costs nothing.
    """
    if credits_per_call is None and lock is None and settle is None:
        raise ValueError("@pricing needs credits_per_call, lock or settle.")
    if credits_per_call is None and lock is None:
        raise ValueError("@pricing with settle also needs lock or credits_per_call: what to hold before the call.")
    fixed = None if credits_per_call is None else in_credits(credits_per_call)

    def decorate(method: Function) -> Function:
        return _note(method, PricingSpec(credits_per_call=fixed, lock=lock, settle=settle, reason=reason))

    return decorate


def specs_of(function: Callable[..., Any]) -> tuple[Spec, ...]:
    """What the decorators noted on a function."""
    return cast(tuple[Spec, ...], getattr(function, _NOTED, ()))


def _note(function: Function, spec: Spec) -> Function:
    if not isinstance(spec, HookSpec) and any(type(other) is type(spec) for other in specs_of(function)):
        raise TypeError(f"{function.__qualname__} is decorated twice as the same thing.")
    setattr(function, _NOTED, (*specs_of(function), spec))
    return function


def _check_scope(scope: str) -> None:
    if scope not in get_args(Scope):
        raise ValueError(f"There is no scope {scope!r}; there are {', '.join(get_args(Scope))}.")
