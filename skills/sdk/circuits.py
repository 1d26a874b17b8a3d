"""Leaves a provider alone for a while when it keeps failing, and bounds how often it is tried again."""

import time
from collections import OrderedDict, deque

import msgspec

from skills.sdk import patience
from skills.sdk.context import RunContext
from skills.sdk.errors import (
    ModelFailed,
    ModelOverloaded,
    ModelRateLimited,
    ModelRejected,
    ModelUnauthorized,
)
from skills.sdk.ports import Credential


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """Whose calls go where with which key. What one route meets is no news to another, and it holds no secret.

    The organization is part of it: whoever makes the platform's own key fail keeps nobody else from using it.
    """

    organization_id: str
    credential_id: str
    """Empty for a server that is asked without a key."""
    address: str
    """The server's address, or the provider's name where that is at its own."""

    @classmethod
    def of(cls, ctx: RunContext, credential: Credential | None, *, address: str) -> "Route":
        """The route by which a run's calls go."""
        return cls(
            organization_id=ctx.organization_id, credential_id=credential.id if credential else "", address=address
        )


class ModelResting(ModelOverloaded):
    """The provider failed several times in a row and is not asked for a moment."""


class Circuit:
    """What was met on one route of late.

    Closed, every call passes. After several failures in a row it is open and no call passes for a while; then one may
    try, and closes it or opens it again. A credential that was refused is not sent again for a moment.
    """

    def __init__(self) -> None:
        self._failed_at: deque[float] = deque()
        self._rests_until = 0.0
        self._is_open = False
        self._is_probed = False
        self._refused: str | None = None
        self._refused_until = 0.0
        self._counted_since = 0.0
        self._calls = 0
        self._retries = 0

    @property
    def is_closed(self) -> bool:
        """Whether calls pass freely."""
        return not self._is_open and self._refused_until <= time.monotonic()

    def enter(self) -> bool:
        """Let a call pass; whether it is the one that tries an open circuit.

        Raises ModelResting, or ModelUnauthorized in the provider's place.
        """
        now = time.monotonic()
        if self._refused_until > now:
            raise ModelUnauthorized(self._refused or "")
        if self._is_open:
            if self._is_probed or self._rests_until > now:
                left_s = max(self._rests_until - now, patience.current().rest_s / 10)
                raise ModelResting(
                    "The model's provider failed several times in a row. It is left alone for a moment.",
                    retry_after_s=left_s,
                )
            self._is_probed = True
        self._roll(now)
        self._calls += 1
        return self._is_probed

    def may_retry(self) -> bool:
        """Whether one more retry is within the budget; it is taken from it."""
        self._roll(time.monotonic())
        numbers = patience.current()
        budget = (self._calls - self._retries) * numbers.retry_percent // 100 + numbers.retries_spare
        if not self.is_closed or self._retries >= budget:
            return False
        self._retries += 1
        return True

    def answered(self) -> None:
        """The provider began to answer: it is there."""
        self._is_open = self._is_probed = False

    def succeeded(self) -> None:
        """The reply is whole."""
        self.answered()
        self._failed_at.clear()

    def failed(self, failure: ModelFailed) -> None:
        """A call failed. A refusal, a limit and a rejection are answers; all else counts against the route."""
        numbers, now = patience.current(), time.monotonic()
        if isinstance(failure, ModelUnauthorized) and not failure.perhaps_request:
            self._refused, self._refused_until = str(failure), now + numbers.refused_rest_s
            self.answered()
        elif isinstance(failure, ModelRejected | ModelRateLimited):
            self.answered()
        else:
            self._failed_at.append(now)
            while self._failed_at[0] < now - numbers.within_s:
                self._failed_at.popleft()
            if self._is_open or len(self._failed_at) >= numbers.failures:
                self._is_open, self._is_probed = True, False
                self._rests_until = now + numbers.rest_s
                self._failed_at.clear()

    def left(self) -> None:
        """The caller of the one that tried left before anything was known."""
        self._is_probed = False

    def _roll(self, now: float) -> None:
        if now - self._counted_since > patience.current().within_s:
            self._counted_since, self._calls, self._retries = now, 0, 0


_circuits: OrderedDict[Route, Circuit] = OrderedDict()


def circuit_of(route: Route) -> Circuit:
    """The circuit of a route in this process."""
    circuit = _circuits.get(route)
    if circuit is None:
        circuit = _circuits[route] = Circuit()
        while len(_circuits) > patience.current().routes:
            _circuits.popitem(last=False)
    else:
        _circuits.move_to_end(route)
    return circuit


def forget() -> None:
    """Begin anew."""
    _circuits.clear()
