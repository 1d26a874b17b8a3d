"""The Memory port: what one agent remembers of one end user of the caller's, as rows."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

from django.db import DataError, OperationalError

from agents.runtime.whole import whole, whole_text
from agents.selectors import Resolved
from agents.services import memories
from agents.services.memories import Found, Of
from skills.sdk import NotAvailable, ToolFailed
from skills.sdk.ports import Remembered
from tenants.context import organization_context
from tenants.threads import in_thread

P = ParamSpec("P")
T = TypeVar("T")

LONGEST_TEXT = 8_000
LONGEST_KIND = 32
MOST_FOUND = 100


class RowMemory:
    """Remembers for one agent, one caller and one end user; nobody else's can be reached."""

    def __init__(self, *, version: Resolved, caller_id: UUID, end_user: str | None) -> None:
        self._version = version
        self._caller_id = caller_id
        self._end_user = whole_text(end_user or "")[:256]

    async def save(self, *, kind: str, text: str, metadata: Mapping[str, Any] = {}, at_most: int) -> str:
        """Keep a memory; answers its id."""
        text = whole_text(text).strip()
        if not 0 < len(text) <= LONGEST_TEXT:
            raise ToolFailed(f"A memory has 1 to {LONGEST_TEXT:,} characters.")
        made = await self._ask(
            memories.save,
            self._of(kind),
            text=text,
            metadata=whole(dict(metadata)),
            at_most=at_most,
            agent_organization_id=self._version.organization_id,
            agent_slug=self._version.slug,
        )
        return str(made)

    async def search(self, *, kind: str, query: str, limit: int, min_similarity: float = 0.0) -> Sequence[Remembered]:
        """The memories that fit the query best, best first."""
        query = whole_text(query)[:LONGEST_TEXT]
        found = await self._ask(
            memories.search,
            self._of(kind),
            query=query,
            limit=min(limit, MOST_FOUND),
            min_similarity=min_similarity,
        )
        return _told(found)

    async def latest(self, *, kind: str, limit: int) -> Sequence[Remembered]:
        """The memories that were kept last, the latest first."""
        return _told(await self._ask(memories.latest, self._of(kind), limit=min(limit, MOST_FOUND)))

    async def count(self, *, kind: str) -> int:
        """How many there are."""
        return await self._ask(memories.count, self._of(kind))

    async def delete(self, *, kind: str, id: str) -> bool:
        """Forget one memory; whether there was one."""
        try:
            memory_id = UUID(id)
        except ValueError:
            return False
        return await self._ask(memories.delete, self._of(kind), memory_id)

    def _of(self, kind: str) -> Of:
        if not self._end_user:
            raise ToolFailed(
                "Nothing is remembered where a request does not name its end user ('safety_identifier' or 'user')."
            )
        if not 0 < len(kind) <= LONGEST_KIND:
            raise ToolFailed(f"The kind of a memory has 1 to {LONGEST_KIND} characters.")
        return Of(organization_id=self._caller_id, agent_id=self._version.agent_id, end_user=self._end_user, kind=kind)

    async def _ask(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            with organization_context(self._caller_id):
                return await in_thread(work, *args, **kwargs)
        except OperationalError as error:
            raise NotAvailable("What is remembered cannot be reached at the moment.") from error
        except DataError as error:
            raise ToolFailed("This cannot be remembered: the database does not take it.") from error


def _told(found: Sequence[Found]) -> list[Remembered]:
    return [
        Remembered(
            id=str(each.id),
            text=each.text,
            metadata=each.metadata,
            created_at=each.created_at,
            similarity=each.similarity,
        )
        for each in found
    ]
