"""The clock."""

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field

from skills.sdk import RunContext, Skill, ToolRetry, tool


class ClockSkill(Skill):
    """Lets an agent read the clock."""

    name = "clock"

    class Options(Skill.Options):
        """Where the agent lives, for when nobody says."""

        zone: str = Field(default="UTC", min_length=1, max_length=64, description="An IANA zone such as Europe/Riga.")

    options: Options

    @tool
    async def current_time(self, ctx: RunContext, zone: str | None = None) -> str:
        """Return the current time as ISO 8601. `zone` is an IANA name such as Europe/Riga."""
        try:
            local = ctx.now().astimezone(ZoneInfo(zone or self.options.zone))
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ToolRetry(f"{zone!r} is not an IANA time zone.") from None
        return local.isoformat(timespec="seconds")
