"""The moments of a run at which skills look in, and may change what goes on."""

import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, get_args

from agents.runtime.scopes import allows
from skills.sdk.context import RunContext, Scope
from skills.sdk.specs import HookEvent

Payload = TypeVar("Payload")


@dataclass(frozen=True, kw_only=True)
class BoundHook:
    """A skill's method that runs at `event`; lower priorities first."""

    event: HookEvent
    priority: int
    scope: Scope
    method: Callable[..., Awaitable[Any]]
    wants_payload: bool


@dataclass(frozen=True, kw_only=True)
class BoundPrompt:
    """A skill's method that adds to the system message; lower priorities first."""

    priority: int
    scope: Scope
    method: Callable[..., Any]
    wants_context: bool


def wants_payload(method: Callable[..., Any]) -> bool:
    """Whether a hook takes what its event is about, besides `ctx`."""
    return len(inspect.signature(method).parameters) > 1


def by_event(hooks: Iterable[BoundHook]) -> Mapping[HookEvent, tuple[BoundHook, ...]]:
    """Hooks in the order in which they run; of equal priority, those of the skill named first come first."""
    ordered = sorted(hooks, key=lambda hook: hook.priority)
    return {event: tuple(hook for hook in ordered if hook.event == event) for event in get_args(HookEvent)}


async def fire(hooks: Iterable[BoundHook], ctx: RunContext, payload: Payload) -> Payload:
    """Run hooks in order; what one returns, unless None or `ctx`, the next one sees. Nothing they raise is caught."""
    for hook in hooks:
        if not allows(ctx.caller.scope, hook.scope):
            continue
        answer = await (hook.method(ctx, payload) if hook.wants_payload else hook.method(ctx))
        if answer is None or answer is ctx:
            continue
        if type(answer) is not type(payload):
            told = f"{type(answer).__name__}, not {type(payload).__name__} or None"
            raise TypeError(f"The {hook.event} hook {hook.method.__qualname__} returned {told}.")
        payload = answer
    return payload
