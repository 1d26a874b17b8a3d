"""Who appears in the runtime's tests: a workshop of tools, a scripted model, and short ways to run them."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from agents.runtime.agent import BaseAgent, RunLimits
from agents.runtime.reply import Reply
from skills.scripted import ScriptedSkill
from skills.sdk import (
    Chunk,
    ModelRequest,
    ModelSkill,
    PricingInfo,
    RunContext,
    Skill,
    ToolFailed,
    ToolRetry,
    current_run,
    pricing,
    prompt,
    tool,
)
from skills.sdk.testing import context

WEATHER: Mapping[str, Any] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def call(name: str, /, **arguments: Any) -> dict[str, Any]:
    return {"name": name, "arguments": arguments}


class Workshop(Skill):
    """Tools that show what happens to them."""

    name = "workshop"

    def __init__(self) -> None:
        super().__init__()
        self.marks: list[str] = []
        self.gate = asyncio.Event()

    @tool
    async def echo(self, text: str) -> str:
        """Say it again."""
        self.marks.append(text)
        return text

    @tool
    async def slow(self, ctx: RunContext, label: str) -> str:
        """Wait for its fellow, so that it ends only if both run at once."""
        self.marks.append(f"start {label}")
        if sum(mark.startswith("start") for mark in self.marks) == 2:
            self.gate.set()
        await self.gate.wait()
        self.marks.append(f"end {label}")
        return label

    @tool(timeout_s=0.01)
    async def forever(self) -> str:
        """Never end."""
        await asyncio.Event().wait()
        return "never"

    @tool
    def blocking(self) -> str:
        """Block the thread it runs in."""
        time.sleep(0.2)
        return current_run.get().run_id

    @tool(scope="owner")
    async def dismantle(self) -> str:
        """What only owners may do."""
        self.marks.append("dismantled")
        return "gone"

    @tool
    async def broken(self) -> str:
        """Fail for a reason of its own."""
        raise KeyError("secret detail")

    @tool
    async def refuse(self) -> str:
        """Say that it cannot be done."""
        raise ToolFailed("It cannot be done.")

    @tool
    async def picky(self) -> str:
        """Want to be called otherwise."""
        raise ToolRetry("Call it otherwise.")

    @tool
    async def long(self, size: int) -> str:
        """Return much."""
        return "x" * size

    @tool
    async def picture(self) -> list[dict[str, Any]]:
        """Return text and a picture."""
        return [
            {"type": "text", "text": "A dot"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}},
        ]

    @pricing(credits_per_call="0.25", reason="a polish")
    @tool
    async def polish(self, *, fail: bool = False) -> str:
        """Cost a fixed price."""
        if fail:
            raise ToolFailed("No polish left.")
        return "shiny"

    @tool
    @pricing(lock=lambda arguments: arguments["pages"], settle=lambda result: len(result) / 10)
    async def print_pages(self, pages: int) -> str:
        """Cost by what comes out."""
        return "p" * pages

    @tool
    @pricing(credits_per_call=1)
    async def haggle(self) -> Any:
        """Say itself what it costs."""
        return "done", PricingInfo(credits="0.5", reason="a friend's price")  # type: ignore[arg-type]  # as authors do

    @tool(requires_approval=True)
    async def launch(self) -> str:
        """Need somebody's yes."""
        self.marks.append("launched")
        return "up"

    @tool(background=True)
    async def ponder(self) -> str:
        """Belong on a worker."""
        return "never here"


class Signs(Skill):
    """Prompts in an order."""

    name = "signs"

    @prompt(priority=20)
    async def second(self, ctx: RunContext) -> str:
        return f"You serve {ctx.caller.organization_id}."

    @prompt(priority=10)
    def first(self) -> str:
        return "Be brief."

    @prompt(priority=5, scope="owner")
    def for_owners(self) -> str:
        return "This is the owner."

    @prompt
    async def nothing(self) -> None:
        """Have nothing to add."""


class Recorder(ModelSkill):
    """A model that keeps the requests it got, and tells whether its streams were closed. It says what it is given."""

    name = "recorder"
    providers = frozenset({"recorder"})

    def __init__(self, *chunks: Chunk, script: Sequence[Sequence[Chunk]] = ()) -> None:
        super().__init__()
        self.script = list(script) or [list(chunks) or [Chunk(text="ok"), Chunk(finish_reason="stop")]]
        self.requests: list[ModelRequest] = []
        self.closed = 0

    async def stream(self, ctx: RunContext, request: ModelRequest) -> AsyncIterator[Chunk]:
        self.requests.append(request)
        try:
            for chunk in self.script[min(len(self.requests), len(self.script)) - 1]:
                await asyncio.sleep(0)
                assert current_run.get() is ctx
                yield chunk
        finally:
            self.closed += 1


def agent(*skills: Skill, model: ModelSkill | None = None, says: Sequence[Any] = (), **described: Any) -> BaseAgent:
    """An agent with these skills. `says` is what its model says, call by call: text, or a scripted reply."""
    steps = [{"text": step} if isinstance(step, str) else step for step in says]
    rules = [{**steps[0], "then": steps[1:]}] if steps else []
    model = model or ScriptedSkill(ScriptedSkill.Options.model_validate({"rules": rules}))
    return BaseAgent.build(model_skill=model, skills={skill.name: skill for skill in skills}, **described)


async def ask(who: BaseAgent, said: str = "Go", *, ctx: RunContext | None = None, **request: Any) -> Reply:
    return await who.run([{"role": "user", "content": said}], ctx=ctx or context(), **request)


def results(ctx: RunContext) -> list[Any]:
    """What the model was told by tools."""
    return [message["content"] for message in ctx.messages if message["role"] == "tool"]


__all__ = ["WEATHER", "Recorder", "RunLimits", "Signs", "Workshop", "agent", "ask", "call", "context", "results"]
