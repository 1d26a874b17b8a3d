"""The bench for skill authors."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from skills.clock import ClockSkill
from skills.sdk import BudgetExhausted, NotAvailable, RunContext, Skill, ToolFailed, ToolRetry, current_run, tool
from skills.sdk.testing import (
    CannedHttp,
    MemoryMeter,
    MemorySecrets,
    MemoryStorage,
    context,
    converse,
    run_tool,
)


class Notes(Skill):
    """Keeps notes."""

    name = "notes"

    @tool
    async def keep(self, ctx: RunContext, text: str) -> int:
        await ctx.ports.storage.put("notes", text, {"text": text})
        return len(await ctx.ports.storage.get_many("notes", [text, "other"]))

    @tool
    def whose(self) -> str:
        return current_run.get().agent_name


async def test_one_tool_runs_as_a_model_would_call_it() -> None:
    assert await run_tool(Notes(), "keep", text="milk") == 1
    assert await run_tool(Notes(), "whose") == "agent"


async def test_arguments_are_checked_as_a_models_would_be() -> None:
    with pytest.raises(ToolRetry, match="text: Field required"):
        await run_tool(Notes(), "keep")
    with pytest.raises(LookupError, match="no tool 'lose'"):
        await run_tool(Notes(), "lose")


async def test_a_conversation_follows_its_script() -> None:
    ctx = context()

    reply = await converse(
        "Remember the milk",
        skills=[Notes()],
        script=[{"calls": [{"name": "keep", "arguments": {"text": "milk"}}]}, "Noted."],
        ctx=ctx,
    )

    assert reply.text == "Noted."
    assert reply.finish_reason == "stop"
    assert await ctx.ports.storage.get_many("notes", ["milk"]) == {"milk": {"text": "milk"}}


async def test_without_a_script_the_persona_talks() -> None:
    reply = await converse([{"role": "user", "content": "What time is it?"}], skills=[ClockSkill()])

    assert reply.text.startswith("It is 20")
    assert reply.reasoning == ""


async def test_the_meter_runs_dry_where_it_is_told_to() -> None:
    meter = MemoryMeter(turns_paid_for=1, credits="1")

    await meter.reserve_turn(input_bytes=1, max_output_tokens=None)
    await meter.reserve_tool(call_id="a", tool="t", credits=Decimal("0.8"))

    with pytest.raises(BudgetExhausted):
        await meter.reserve_turn(input_bytes=1, max_output_tokens=None)
    with pytest.raises(BudgetExhausted):
        await meter.reserve_tool(call_id="b", tool="t", credits=Decimal("0.3"))
    meter.charge_tool(call_id="a", tool="t", credits=Decimal(5), reason="")
    assert meter.charged == {"t": Decimal("0.8")}


async def test_storage_expires_deletes_and_marks_once() -> None:
    storage = MemoryStorage(now=datetime(2026, 1, 1, tzinfo=UTC))

    first = await storage.mark_once("jti", "a", lifetime=timedelta(minutes=5))
    again = await storage.mark_once("jti", "a", lifetime=timedelta(minutes=5))
    storage.now = datetime(2026, 1, 1, 0, 6, tzinfo=UTC)
    later = await storage.mark_once("jti", "a", lifetime=timedelta(minutes=5))

    assert (first, again, later) == (True, False, True)
    assert await storage.delete("jti", "a")
    assert not await storage.delete("jti", "a")


async def test_secrets_are_found_by_provider_or_reference() -> None:
    secrets = MemorySecrets(credentials={"openai": "sk-1", "mine": "sk-2"})

    assert (await secrets.credential("openai")).secret.reveal() == "sk-1"
    assert (await secrets.credential("openai", reference="mine")).secret.reveal() == "sk-2"
    with pytest.raises(NotAvailable):
        await secrets.credential("groq")


async def test_http_answers_what_it_was_given() -> None:
    http = CannedHttp(answers={"https://a.example/": (200, b"hello")})

    assert await http.request("GET", "https://a.example/", max_bytes=4) == (200, {}, b"hell")
    with pytest.raises(ToolFailed):
        await http.request("GET", "https://b.example/")
    assert http.requested == [("GET", "https://a.example/"), ("GET", "https://b.example/")]


async def test_a_port_that_is_not_there_says_so() -> None:
    with pytest.raises(NotAvailable, match=r"ctx\.memory"):
        await context().ports.memory.search(kind="fact", query="x", limit=1)
