"""What a caller asks of a run, and what it holds of one that started."""

from collections.abc import AsyncIterator, Callable, Mapping, Set
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from uuid import UUID

from agents.runtime.events import Event, Finished
from agents.services.channel import Channel
from skills.sdk.usage import Usage
from tenants.secret import Secret


@dataclass(frozen=True, kw_only=True)
class Origin:
    """The run that another one comes from.

    `calls` and `hops`: how often agents have called one another, and passed the conversation on, until now.
    """

    parent: UUID | None = None
    calls: int = 0
    hops: int = 0
    handed_by: str | None = None
    """The name of the agent that passed the conversation on."""
    untrusted: str | None = None
    """By what the other run had read somebody else's words, if it had; and what is private, where that comes along."""
    private: str | None = None


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """One completion, as it was asked for.

    `parameters` are the request's fields by their OpenAI names, allow-listed, without those that have their own place
    here. `run_id` is chosen by whoever asks and is the key to everything that is written about the run.
    """

    run_id: UUID
    request_id: str
    messages: list[dict[str, Any]]
    client_tools: tuple[dict[str, Any], ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    max_output_tokens: int | None = None
    stream: bool = False
    end_user: str | None = None
    conversation_id: str | None = None
    body_bytes: int = 0
    max_cost_nanos: int | None = None
    """The most that its caller wants to pay for it."""
    payment_token: Secret | None = None
    """What pays instead of the caller's own wallet."""
    retry_of: UUID | None = None
    """The run of an earlier try of the same request."""
    origin: Origin = Origin()


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """What a run came to, once it is settled. `deferred`: the books could not be reached and will follow."""

    status: str
    usage: Usage
    charged_nanos: int
    source: str
    deferred: bool = False


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a run ended. `receipt` is None where it could not be settled; `error` is what its reader was told."""

    receipt: Receipt | None
    error: BaseException | None
    finished: Finished | None


Watcher: TypeAlias = Callable[[Event | Ended], None]
"""Looks on, beside a run's reader. It is called in the run's own task: it returns at once and raises nothing."""


class RunStream(AsyncIterator[Event]):
    """The events of a run that goes on whether or not somebody reads them.

    Iterating ends when the run is settled, and raises what ended it early. Whoever stops reading before that closes
    the stream: the run is then aborted or finishes by itself, as its agent says, and is settled all the same.
    """

    def __init__(self, *, run_id: UUID, public_name: str, created: int, channel: Channel) -> None:
        self.run_id = run_id
        self.public_name = public_name
        self.created = created
        self.ignored: Set[str] = frozenset()
        """Fields of the request that its model is not sent, as far as that is known by now."""
        self.max_output_tokens: int | None = None
        """What its answer was cut to, where there is no money for more; None where nothing cut it."""
        self.receipt: Receipt | None = None
        """Set when iterating has ended."""
        self.waited_s = 0.0
        """How long the run has waited for models and tools until now."""
        self.on_receipt: Callable[[Receipt], None] | None = None
        """Called with it, also when nobody iterates any more."""
        self.on_leave: Callable[[], None] | None = None
        """Called once, when the reader leaves before the end."""
        self._channel = channel

    async def __anext__(self) -> Event:
        event = await self._channel.get()
        if event is None:
            raise StopAsyncIteration
        return event

    def ready(self) -> list[Event]:
        """The events that have arrived meanwhile, without waiting: for whoever sends several at once."""
        return self._channel.take_ready()

    def settled(self, receipt: Receipt) -> None:
        """Tell what the run came to."""
        self.receipt = receipt
        if self.on_receipt is not None:
            self.on_receipt(receipt)

    async def aclose(self) -> None:
        """Leave. Returns at once; the run's own task does the rest."""
        if not self._channel.is_abandoned and not self._channel.is_ended:
            self._channel.abandon()
            if self.on_leave is not None:
                self.on_leave()
