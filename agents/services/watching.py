"""Looking on while a run of this process goes on, and stopping it."""

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from agents.errors import RunNotFound
from agents.services.run_stream import Watcher
from agents.services.running import running

if TYPE_CHECKING:
    from agents.services.run_task import RunTask


class Watched:
    """A run in progress, for those who look on."""

    def __init__(self, run: "RunTask") -> None:
        self._run = run

    @property
    def public_name(self) -> str:
        """The agent's name, as it was called."""
        return self._run.stream.public_name

    @property
    def started_at(self) -> datetime:
        """When it began."""
        return self._run.record.started_at

    @property
    def keeps_content(self) -> bool:
        """Whether its agent keeps what is said."""
        return self._run.record.messages is not None

    def tell(self, watcher: Watcher) -> None:
        """Call `watcher` from now on."""
        self._run.watchers.append(watcher)

    def stop(self) -> None:
        """Stop it, because its caller says so."""
        self._run.stop("The run was stopped by its caller.", by_caller=True)


def watched(run_id: UUID, *, organization_id: UUID, key_id: UUID | None) -> Watched:
    """A run of this process. Raises RunNotFound unless this organization started it, with this key if one is named."""
    run = running().find(run_id)
    if run is None or run.reservation.caller != organization_id:
        raise RunNotFound
    if key_id is not None and run.record.fixed["key_id"] != key_id:
        raise RunNotFound
    return Watched(run)
