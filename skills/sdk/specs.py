"""What a decorator notes on a method: plain values, read when an agent is built."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from typing import Any, Literal, TypeAlias

from skills.sdk.context import Scope

HookEvent = Literal[
    "on_connection",
    "on_message",
    "before_llm_call",
    "after_llm_call",
    "before_toolcall",
    "after_toolcall",
    "on_chunk",
    "before_handoff",
    "after_handoff",
    "finalize_connection",
]
"""The moments of a run at which hooks run, in the order of a run."""

HttpMethod = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]

Credits: TypeAlias = Decimal | str | int | float
"""An amount of credits (1 = 1 USD) as an author writes it; a decimal string is best."""
NANOS_PER_CREDIT = 1_000_000_000
"""The books keep whole nanodollars."""


@dataclass(frozen=True, kw_only=True)
class ToolSpec:
    """How a tool is offered and run. The last five say what it may touch, for the platform's guards."""

    name: str
    description: str
    scope: Scope = "all"
    background: bool = False
    timeout_s: float | None = None
    idempotent: bool = False
    reads_private: bool = False
    ingests_untrusted: bool = False
    egress: bool = False
    irreversible: bool = False
    requires_approval: bool = False


@dataclass(frozen=True, kw_only=True)
class HookSpec:
    """When a hook runs: lower priorities first."""

    event: HookEvent
    priority: int = 50
    scope: Scope = "all"


@dataclass(frozen=True, kw_only=True)
class PromptSpec:
    """Where a prompt stands in the system message: lower priorities first."""

    priority: int = 50
    scope: Scope = "all"


@dataclass(frozen=True, kw_only=True)
class HandoffSpec:
    """A conversation may pass to this function. `receiver` is the agent that takes it over, if it is one."""

    name: str
    description: str
    scope: Scope = "all"
    priority: int = 50
    receiver: str | None = None
    kind: str = "function"


@dataclass(frozen=True, kw_only=True)
class HttpSpec:
    """An HTTP handler under the agent's address; `subpath` may hold `{parameters}`."""

    subpath: str
    method: HttpMethod = "GET"
    scope: Scope = "all"


@dataclass(frozen=True, kw_only=True)
class PricingSpec:
    """What a tool's call costs: a fixed price, or what to hold by its arguments and what to charge by its result."""

    credits_per_call: Decimal | None = None
    lock: Callable[[Mapping[str, Any]], Credits] | str | None = None
    settle: Callable[[Any], Credits] | str | None = None
    reason: str = ""

    def of(self, skill: object) -> "PricingSpec":
        """The same, with the methods of this skill in the place of their names. Raises TypeError for one it lacks."""
        return replace(self, lock=_method(skill, self.lock), settle=_method(skill, self.settle))

    def held(self, arguments: Mapping[str, Any]) -> Decimal:
        """What a call with these arguments may cost."""
        if callable(self.lock):
            return in_credits(self.lock(arguments))
        return self.credits_per_call or Decimal(0)

    def charged(self, result: Any) -> Decimal:
        """What a call with this result does cost, when the tool itself does not say."""
        if callable(self.settle):
            return in_credits(self.settle(result))
        return self.credits_per_call or Decimal(0)


@dataclass(frozen=True, kw_only=True)
class PricingInfo:
    """Returned by a tool beside its result, as `(result, PricingInfo(...))`: what this call costs, in credits."""

    credits: Decimal
    reason: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "credits", in_credits(self.credits))


@dataclass(frozen=True, kw_only=True)
class HandoffResult:
    """How passing the conversation on went."""

    result: Any = None
    handoff_type: str = "local_agent"
    success: bool = True
    metadata: Mapping[str, Any] = field(default_factory=dict)


Spec: TypeAlias = ToolSpec | HookSpec | PromptSpec | HandoffSpec | HttpSpec | PricingSpec


def in_credits(amount: Credits) -> Decimal:
    """An exact, finite, non-negative amount of credits. A float counts as the digits it prints."""
    try:
        exact = Decimal(str(amount))
    except InvalidOperation:
        raise ValueError(f"{amount!r} is not an amount of credits.") from None
    if not exact.is_finite() or exact < 0:
        raise ValueError(f"{amount!r} is not an amount of credits: it must be finite and not negative.")
    return exact


def _method(skill: object, named: Callable[[Any], Credits] | str | None) -> Callable[[Any], Credits] | None:
    if not isinstance(named, str):
        return named
    method = getattr(skill, named, None)
    if not inspect.ismethod(method) or inspect.iscoroutinefunction(method):
        raise TypeError(f"{type(skill).__name__} has no method {named!r} that could say a price at once.")
    return method
