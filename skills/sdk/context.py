"""Everything a skill may know of the run it is in."""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Literal

from skills.sdk.ports import Ports
from skills.sdk.usage import UsageRecord

Scope = Literal["all", "owner", "admin"]
"""Who may use a thing: any caller, the agent's owners, the platform's staff. Each includes the ones after it."""


@dataclass(frozen=True, kw_only=True)
class RunCaller:
    """The party behind a run, as far as skills need to know."""

    organization_id: str
    scope: Scope = "all"
    key_id: str | None = None
    user_id: str | None = None
    end_user: str | None = None
    conversation_id: str | None = None

    def namespace(self, name: str) -> str:
        """A namespace of the storage for this end user alone, or for all of the organization's if none is named.

        What is kept in it is exported and erased with the end user.
        """
        if not self.end_user:
            return name
        return f"{name}:{sha256(self.end_user.encode(errors='replace')).hexdigest()[:32]}"


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a tool is: so much of `total`, if that is known, and in words."""

    done: float
    total: float | None = None
    note: str = ""


reporting: ContextVar[Callable[[Progress], None] | None] = ContextVar("reporting", default=None)
"""Where the tool call that is carried out here tells of its progress. Called from any thread; it returns at once."""

NOTE_CHARACTERS = 200


@dataclass(kw_only=True)
class Waited:
    """How long a run has waited for others: for its model, and for its tools."""

    seconds: float = 0.0
    model: str | None = None
    """The `provider/model` whose reply is being heard right now."""
    retries: int = 0
    """How often it was asked in vain before, as far as that is not recorded yet."""
    _still: int = 0
    _still_since: float = 0.0
    _stood_still_s: float = 0.0

    @property
    def stood_still_s(self) -> float:
        """How long the run has waited for people; that is no time of its own."""
        now_s = time.monotonic() - self._still_since if self._still else 0.0
        return self._stood_still_s + now_s

    @contextmanager
    def standing_still(self) -> Generator[None]:
        """Let the time of the run stand still inside: a person is asked."""
        if not self._still:
            self._still_since = time.monotonic()
        self._still += 1
        try:
            yield
        finally:
            self._still -= 1
            if not self._still:
                self._stood_still_s += time.monotonic() - self._still_since


@dataclass(kw_only=True)
class Seen:
    """What a run has read so far: by what it first read somebody else's words, and by what something private.

    Tools say what they read by their flags; a skill that brings such things in another way says so here.
    """

    untrusted: str | None = None
    private: str | None = None

    def note(self, source: str, *, untrusted: bool = False, private: bool = False) -> None:
        """The run has read something from this source."""
        if untrusted:
            self.untrusted = self.untrusted or source
        if private:
            self.private = self.private or source


@dataclass(frozen=True, kw_only=True)
class RunContext:
    """One run. Skills keep what they need between hooks in `data`, under their own name."""

    run_id: str
    request_id: str
    agent_id: str
    agent_name: str
    organization_id: str
    """The agent's organization; the caller's is `caller.organization_id`."""
    caller: RunCaller
    ports: Ports
    stream: bool = False
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    messages: list[dict[str, Any]] = field(default_factory=list)
    """The conversation as the model sees it; grows as the run goes on."""
    usage: list[UsageRecord] = field(default_factory=list)
    ignored: set[str] = field(default_factory=set)
    """Fields of the request that were left out. Whoever leaves one out adds its name: the caller is told."""
    data: dict[str, dict[str, Any]] = field(default_factory=dict)
    waited: Waited = field(default_factory=Waited)
    seen: Seen = field(default_factory=Seen)
    handed_by: str | None = None
    """The name of the agent that passed the conversation on to this one, if one did."""

    def now(self) -> datetime:
        """The current time, in UTC."""
        return datetime.now(UTC)

    def progress(self, done: float, total: float | None = None, note: str = "") -> None:
        """Tell whoever looks on how far the tool that calls this is; costs nothing where nobody does."""
        tell = reporting.get()
        if tell is not None:
            tell(Progress(done=done, total=total, note=note[:NOTE_CHARACTERS]))


current_run: ContextVar[RunContext] = ContextVar("current_run")
"""The run this task works for."""
