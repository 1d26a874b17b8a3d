"""A skill that answers over HTTP, as a stranger would write it."""

from typing import Any

from skills.sdk import RunContext, Skill, http


class BoardSkill(Skill):
    """Notes on a board."""

    name = "board"

    @http("/notes/{id}")
    async def note(self, ctx: RunContext, id: int, loud: bool = False) -> dict[str, Any]:  # noqa: FBT002 - a query's
        """One note."""
        return {"note": id, "loud": loud, "asked_by": ctx.caller.organization_id}

    @http("/notes", method="POST")
    async def add(self, text: str) -> str:
        """Put up a note."""
        return f"noted: {text}"

    @http("/raw")
    def raw(self) -> bytes:
        """Bytes."""
        return b"\x00\x01"

    @http("/secret", scope="owner")
    async def secret(self) -> str:
        """For owners only."""
        return "for owners"
