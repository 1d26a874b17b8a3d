"""One agent, many runs at once: nothing of one is seen by another."""

import asyncio
import subprocess
import sys
from typing import Any

from agents.runtime.agent import BaseAgent
from skills.scripted import ScriptedSkill
from skills.sdk import RunContext, Skill, current_run, prompt, tool
from skills.sdk.testing import MemoryMeter
from tests.runtime.cast import context

RUNS = 50


class Whoami(Skill):
    """Tells whose run it is, by every way there is to know."""

    name = "whoami"

    @prompt
    async def greeting(self, ctx: RunContext) -> str:
        return f"prompt for {ctx.run_id}"

    @tool
    async def whoami(self, ctx: RunContext, note: str) -> str:
        ctx.data.setdefault("whoami", {})["note"] = note
        await asyncio.sleep(0)
        seen = [message["content"] for message in ctx.messages if message["role"] == "system"]
        return f"{note} {ctx.run_id} {current_run.get().run_id} {ctx.data['whoami']['note']} {seen[0]}"


async def test_fifty_runs_of_one_agent_at_once_keep_apart() -> None:
    rules = [
        {
            "match": f"run {n} please",
            "calls": [{"name": "whoami", "arguments": {"note": f"note-{n}"}}, {"name": f"client_{n}", "arguments": {}}],
        }
        for n in range(RUNS)
    ]
    model = ScriptedSkill(ScriptedSkill.Options.model_validate({"rules": rules}))
    agent = BaseAgent.build(model_skill=model, skills={"whoami": Whoami()})
    contexts = [context(meter=MemoryMeter()) for _ in range(RUNS)]

    async def one(n: int) -> Any:
        tools = [{"type": "function", "function": {"name": f"client_{n}", "parameters": {"type": "object"}}}]
        return await agent.run([{"role": "user", "content": f"run {n} please"}], ctx=contexts[n], client_tools=tools)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(n)) for n in range(RUNS)]

    for n, (task, ctx) in enumerate(zip(tasks, contexts, strict=True)):
        answer = next(message["content"] for message in ctx.messages if message["role"] == "tool")
        assert answer == f"note-{n} {ctx.run_id} {ctx.run_id} note-{n} prompt for {ctx.run_id}"
        assert [made.name for made in task.result().tool_calls] == [f"client_{n}"]
        assert len(ctx.usage) == 1


async def test_two_runs_read_by_one_task_in_turns_keep_apart() -> None:
    model = ScriptedSkill(ScriptedSkill.Options.model_validate({"rules": [{"text": "a b c d"}]}))
    agent = BaseAgent.build(model_skill=model)
    contexts = [context(), context()]
    runs = [agent.run_streaming([{"role": "user", "content": "Go"}], ctx=ctx) for ctx in contexts]

    for _ in range(4):
        for run in runs:
            await anext(run)
            assert current_run.get(None) is None
    for run in runs:
        await run.aclose()

    assert [ctx.usage[0].usage.output_tokens for ctx in contexts] == [2, 2]


def test_the_runtime_loads_no_framework() -> None:
    code = "import skills.sdk, agents.runtime.loop, agents.runtime.agent, skills.registry, sys; print(*sys.modules)"

    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()

    assert not {"django", "asgiref", "celery", "litellm", "openai", "aiohttp", "tenants", "billing"} & set(loaded)
