"""The clock skill."""

from datetime import UTC, datetime, timedelta

import pytest

from skills.clock import ClockSkill
from skills.sdk import ToolRetry
from skills.sdk.testing import run_tool


async def test_it_tells_the_time_in_the_zone_asked_for() -> None:
    told = datetime.fromisoformat(await run_tool(ClockSkill(), "current_time", zone="Asia/Tokyo"))

    assert told.utcoffset() == timedelta(hours=9)
    assert abs(told - datetime.now(UTC)) < timedelta(minutes=1)


async def test_without_a_zone_it_uses_the_agents_own() -> None:
    skill = ClockSkill(ClockSkill.Options(zone="Asia/Tokyo"))

    assert (await run_tool(skill, "current_time")).endswith("+09:00")


@pytest.mark.parametrize("zone", ["Nowhere/Else", "../../etc/passwd", "Europe", "\0"])
async def test_a_zone_that_does_not_exist_is_told_to_the_model(zone: str) -> None:
    with pytest.raises(ToolRetry, match="not an IANA time zone"):
        await run_tool(ClockSkill(), "current_time", zone=zone)
