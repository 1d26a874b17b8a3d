"""Who may use what: all < owner < admin."""

from typing import get_args

from skills.sdk.context import Scope

_RANK: dict[str, int] = {scope: rank for rank, scope in enumerate(get_args(Scope))}


def allows(caller: Scope, needed: Scope) -> bool:
    """Whether a caller of one scope may use a thing of another."""
    return _RANK[caller] >= _RANK[needed]


def narrower(one: Scope, other: Scope) -> Scope:
    """The scope that fewer callers have."""
    return max(one, other, key=_RANK.__getitem__)


def wider(one: Scope, other: Scope) -> Scope:
    """The scope that more callers have: what is left of two, where both have to allow a thing."""
    return min(one, other, key=_RANK.__getitem__)
