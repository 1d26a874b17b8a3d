"""The storage skill."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from skills.json_storage import JsonStorageSkill
from skills.sdk import RunContext, ToolFailed, ToolRetry
from skills.sdk.testing import MemoryStorage, context, run_tool


def asked_by(user: str | None, storage: MemoryStorage) -> RunContext:
    return context(end_user=user, storage=storage)


@pytest.mark.parametrize("value", [{"a": [1, None, "ü"]}, [], "text", 0, False, None])
async def test_what_is_kept_is_read_in_the_next_run(value: Any) -> None:
    skill, storage = JsonStorageSkill(), MemoryStorage()

    await run_tool(skill, "store_value", ctx=asked_by("ann", storage), key="a", value=value)

    assert await run_tool(skill, "read_value", ctx=asked_by("ann", storage), key="a") == value


async def test_end_users_have_their_own() -> None:
    skill, storage = JsonStorageSkill(), MemoryStorage()
    await run_tool(skill, "store_value", ctx=asked_by("ann", storage), key="canary", value="ann's")

    for other in ("ben", None):
        with pytest.raises(ToolRetry):
            await run_tool(skill, "read_value", ctx=asked_by(other, storage), key="canary")
        assert await run_tool(skill, "list_keys", ctx=asked_by(other, storage)) == []


async def test_they_share_where_the_owner_says_so() -> None:
    skill, storage = JsonStorageSkill(JsonStorageSkill.Options(shared=True)), MemoryStorage()
    await run_tool(skill, "store_value", ctx=asked_by("ann", storage), key="a", value=1)

    assert await run_tool(skill, "read_value", ctx=asked_by("ben", storage), key="a") == 1


async def test_keys_are_listed_in_order_and_by_their_beginning() -> None:
    skill, ctx = JsonStorageSkill(), context()
    for key in ("b/2", "a", "b/1"):
        await run_tool(skill, "store_value", ctx=ctx, key=key, value=0)

    assert await run_tool(skill, "list_keys", ctx=ctx) == ["a", "b/1", "b/2"]
    assert await run_tool(skill, "list_keys", ctx=ctx, prefix="b/") == ["b/1", "b/2"]


async def test_so_many_are_kept_and_no_more_but_each_may_change() -> None:
    skill, ctx = JsonStorageSkill(JsonStorageSkill.Options(max_entries=2)), context()
    for key in ("a", "b"):
        await run_tool(skill, "store_value", ctx=ctx, key=key, value=0)

    with pytest.raises(ToolFailed, match="2 values already"):
        await run_tool(skill, "store_value", ctx=ctx, key="c", value=0)
    await run_tool(skill, "store_value", ctx=ctx, key="b", value=1)
    await run_tool(skill, "delete_value", ctx=ctx, key="a")
    await run_tool(skill, "store_value", ctx=ctx, key="c", value=2)

    assert await run_tool(skill, "list_keys", ctx=ctx) == ["b", "c"]


async def test_a_value_is_forgotten_in_time() -> None:
    skill, storage = JsonStorageSkill(JsonStorageSkill.Options(days=1)), MemoryStorage()
    await run_tool(skill, "store_value", ctx=asked_by("ann", storage), key="a", value=1)
    storage.now = datetime.now(UTC) + timedelta(days=1, seconds=1)

    with pytest.raises(ToolRetry):
        await run_tool(skill, "read_value", ctx=asked_by("ann", storage), key="a")


async def test_what_is_deleted_is_gone() -> None:
    skill, ctx = JsonStorageSkill(), context()
    await run_tool(skill, "store_value", ctx=ctx, key="a", value=1)

    assert await run_tool(skill, "delete_value", ctx=ctx, key="a") == "Deleted a."
    assert await run_tool(skill, "delete_value", ctx=ctx, key="a") == "Nothing was kept under a."
