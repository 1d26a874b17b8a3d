"""JSON values kept from one conversation to the next."""

from datetime import timedelta
from typing import Annotated, Any

from pydantic import Field

from skills.sdk import RunContext, Skill, ToolFailed, ToolRetry, tool

Key = Annotated[str, Field(min_length=1, max_length=200, description="A name such as orders/2026-04.")]
LISTED = 200


class JsonStorageSkill(Skill):
    """Lets an agent keep JSON values for who calls it: other organizations and other end users have their own."""

    name = "json_storage"

    class Options(Skill.Options):
        """How much is kept, for how long, and for whom."""

        max_entries: int = Field(default=200, ge=1, le=5_000, description="So many values at most, of each caller.")
        days: int = Field(default=90, ge=1, le=3_650, description="A value is forgotten so long after its last change.")
        shared: bool = Field(default=False, description="Whether end users of an organization share what is kept.")

    options: Options

    @tool
    async def store_value(self, ctx: RunContext, key: Key, value: Any) -> str:
        """Keep a JSON value under a key, in place of what was there.

        Args:
            value: Any JSON: an object, a list, a text, a number.
        """
        storage, space = ctx.ports.storage, self._space(ctx)
        if not await storage.get_many(space, [key]):
            most = self.options.max_entries
            if len(await storage.keys(space, limit=most)) >= most:
                raise ToolFailed(f"There are {most} values already. Delete one that is not needed any more.")
        await storage.put(space, key, value, lifetime=timedelta(days=self.options.days))
        return f"Kept {key}."

    @tool(idempotent=True, reads_private=True)
    async def read_value(self, ctx: RunContext, key: Key) -> Any:
        """Return the value that is kept under a key."""
        found = await ctx.ports.storage.get_many(self._space(ctx), [key])
        if key not in found:
            raise ToolRetry(f"Nothing is kept under {key!r}; list_keys says what there is.")
        return found[key]

    @tool(idempotent=True, reads_private=True)
    async def list_keys(self, ctx: RunContext, prefix: str = "") -> list[str]:
        """Return the keys under which something is kept, in order: the first 200 of those that begin with `prefix`."""
        return list(await ctx.ports.storage.keys(self._space(ctx), prefix=prefix, limit=LISTED))

    @tool(idempotent=True)
    async def delete_value(self, ctx: RunContext, key: Key) -> str:
        """Forget what is kept under a key."""
        was_there = await ctx.ports.storage.delete(self._space(ctx), key)
        return f"Deleted {key}." if was_there else f"Nothing was kept under {key}."

    def _space(self, ctx: RunContext) -> str:
        return self.name if self.options.shared else ctx.caller.namespace(self.name)
