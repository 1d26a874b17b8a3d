"""How much one caller may ask for: so many requests and tokens in a time, so many requests at once."""

import time
from collections.abc import Hashable, Iterable
from types import TracebackType
from typing import Final, Self, TypeAlias

from django.conf import settings

from agents.selectors import Resolved
from agents.services.run_stream import Receipt, RunStream
from api import quota
from api.limit_answers import limit_headers, too_many
from api.places import Held, Places
from api.problems import Headers
from api.shared_quota import SharedQuota
from api.sharing import Link
from api.windows import Meter, Meters, Use, Window
from tenants import limits
from tenants.caller import Caller
from tenants.limits import Limits

MOST_INPUT_RESERVED: Final = 50_000
"""Bytes say little of the tokens of an image, so a large body reserves no more; what it took is counted at the end."""
OUTPUT_RESERVED: Final = 1_000
"""Tokens of an answer whose length nobody limited."""
BYTES_PER_TOKEN: Final = 4

Subject: TypeAlias = tuple[str, Hashable, Limits]
"""A scope, who it is, and what it is allowed."""

_meters = {scope: Meters(scope) for scope in (limits.KEY, limits.ORGANIZATION, limits.AGENT, limits.END_USER)}


class _State:
    places = Places()
    link: Link | None = None


def share(url: str, *, processes: int, timeout_s: float) -> None:
    """Count together with the other web processes, through the Redis at `url`, from now on."""
    _State.link = Link(url, timeout_s=timeout_s)
    _State.places = Places(_State.link, processes=processes)
    quota.share(SharedQuota(_State.link, processes=processes))
    for meters in _meters.values():
        meters.is_shared = True


async def stop_sharing() -> None:
    """Let go of the Redis."""
    link, _State.link = _State.link, None
    quota.share(None)
    if link is not None:
        await link.close()


class Slot:
    """The place of one request within all limits that hold for it.

    Entering counts the request of the caller's key and organization, and takes one of the places that they have at
    once. What only the body tells is counted by `begin`. Places are given back before the last bytes of an answer go
    out: who has read the end of one may ask for the next.
    """

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._tokens: list[Window] = []
        self._reserved: list[Use] = []
        self._held: list[Held] = []
        self._is_followed = False

    async def __aenter__(self) -> Self:
        try:
            await self._join(_subjects_of(self._caller))
        except BaseException:
            self.release()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
        if not self._is_followed:
            self._correct(0)

    async def begin(
        self, *, input_bytes: int, output_tokens: int | None, end_user: str | None, agent: Resolved | None = None
    ) -> None:
        """Count the request of its end user and its agent as well, and reserve the tokens that it may take."""
        await self._join(_further_subjects(self._caller, end_user, agent))
        wanted = min(input_bytes // BYTES_PER_TOKEN, MOST_INPUT_RESERVED)
        wanted += OUTPUT_RESERVED if output_tokens is None else output_tokens
        self._reserved = await quota.take([(window, min(wanted, window.limit)) for window in self._tokens])

    def follow(self, run: RunStream) -> None:
        """Count what the run took instead of what was reserved for it, once that is known."""
        self._is_followed = True
        run.on_receipt = self._settled
        if run.receipt is not None:
            self._settled(run.receipt)

    def release(self) -> None:
        """Give the places back; doing so again changes nothing."""
        places, self._held = self._held, []
        for held in places:
            _State.places.leave(held)

    async def _join(self, subjects: Iterable[Subject]) -> None:
        joined = [(scope, subject, allowed, _meter(scope, subject, allowed)) for scope, subject, allowed in subjects]
        await quota.take([(window, 1) for *_, meter in joined for window in meter.requests])
        self._tokens += [window for *_, meter in joined for window in meter.tokens]
        for scope, subject, allowed, _ in joined:
            if allowed.max_parallel is not None:
                await self._take_place(scope, subject, allowed.max_parallel)

    async def _take_place(self, scope: str, subject: Hashable, most: int) -> None:
        held = await _State.places.enter((scope, subject), most=most)
        if held is None:
            raise too_many(scope, most)
        self._held.append(held)

    def _settled(self, receipt: Receipt) -> None:
        self._correct(receipt.usage.input_tokens + receipt.usage.output_tokens)

    def _correct(self, tokens: int) -> None:
        reserved, self._reserved = self._reserved, []
        quota.correct(reserved, tokens)


async def take_socket(caller: Caller) -> Held:
    """Take one of the sockets that a caller may have open; it is given back with `leave_socket`."""
    most = settings.ROBUTLER.sockets_per_caller
    held = await _State.places.enter(("sockets", _key_of(caller)), most=most)
    if held is None:
        raise too_many(limits.KEY, most, of="sockets")
    return held


def leave_socket(held: Held) -> None:
    """Give a socket's place back."""
    _State.places.leave(held)


async def count_read(caller: Caller) -> None:
    """Count a request that runs nothing."""
    await quota.take([(window, 1) for subject in _subjects_of(caller) for window in _meter(*subject).reads])


def headers_of(caller: Caller) -> Headers:
    """What is left of the caller's requests and tokens, of its own or of its organization's, whichever is less."""
    meters = [_meter(*subject) for subject in _subjects_of(caller)]
    return limit_headers(meters, now=time.monotonic())


def _meter(scope: str, subject: Hashable, allowed: Limits) -> Meter:
    return _meters[scope].of(subject, allowed)


def _subjects_of(caller: Caller) -> list[Subject]:
    held = caller.limits
    subjects: list[Subject] = [(limits.KEY, _key_of(caller), held.key)]
    if held.organization is not None:
        subjects.append((limits.ORGANIZATION, caller.organization_id, held.organization))
    return subjects


def _further_subjects(caller: Caller, end_user: str | None, agent: Resolved | None) -> Iterable[Subject]:
    allowed = caller.limits.of_end_user(end_user)
    if allowed is not None:
        yield limits.END_USER, (caller.organization_id, end_user), allowed
    if agent is not None and agent.limits is not None:
        yield limits.AGENT, agent.agent_id, agent.limits


def _key_of(caller: Caller) -> Hashable:
    """What tells this caller from all others: its key, or for a signed-in member the person and the organization."""
    return caller.key_id or (caller.organization_id, caller.user_id)
