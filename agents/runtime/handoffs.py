"""The functions to which a conversation may pass, as an agent's skills register them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from skills.sdk.context import Scope
from skills.sdk.specs import HandoffSpec


@dataclass(frozen=True, kw_only=True)
class BoundHandoff:
    """A skill's async function or generator that takes a conversation over and answers with a HandoffResult."""

    spec: HandoffSpec
    skill: str
    scope: Scope
    method: Callable[..., Any]
