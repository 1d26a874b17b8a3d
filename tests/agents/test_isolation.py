"""Many runs of one agent at once, for several organizations: nothing of one is ever seen by another."""

import asyncio
import random

from agents.runtime.events import Delta
from agents.services.runs import start_run
from tenants.models import Organization
from tests.agents.cast import ask, balance, caller_of, funded, hosted, script


async def test_fifty_interleaved_runs_of_two_organizations_keep_to_themselves(
    acme: Organization, globex: Organization
) -> None:
    await funded(acme)
    await funded(globex)
    agent = await hosted(acme, script(chunk_ms=1, chunk_chars=3), visibility="public", price_per_run_nanos=1_000)
    address = f"{acme.slug}/{agent.slug}"
    dice = random.Random(7)
    replies: dict[str, str] = {}

    async def talk(organization: Organization, canary: str, *, by_tool: bool) -> None:
        tools = tuple(
            {"type": "function", "function": {"name": f"tell_{canary}_{number}", "parameters": {"type": "object"}}}
            for number in range(3)
        )
        request = ask(f"say {canary} {canary} {canary}", client_tools=tools if by_tool else (), end_user=canary)
        await asyncio.sleep(dice.random() / 20)
        stream = await start_run(caller=caller_of(organization), address=address, request=request)
        text: list[str] = []
        async for event in stream:
            if isinstance(event, Delta):
                text.extend((event.text, *(call.name for call in event.tool_calls)))
                await asyncio.sleep(0)
        replies[canary] = "".join(text)

    async with asyncio.TaskGroup() as group:
        for number in range(50):
            organization, name = ((acme, "acme"), (globex, "globex"))[number % 2]
            group.create_task(talk(organization, f"{name}x{number:02}x", by_tool=number % 3 == 0))

    assert len(replies) == 50
    for canary, reply in replies.items():
        assert canary in reply
        assert not [other for other in replies if other != canary and other in reply]
    assert (await balance(acme)).held == (await balance(globex)).held == 0


async def test_hanging_up_on_half_of_many_runs_leaves_the_other_half_whole(acme: Organization) -> None:
    await funded(acme)
    agent = await hosted(acme, script({"chunks": ["word "] * 30}, chunk_ms=1), price_per_run_nanos=1_000)

    async def talk(number: int) -> int:
        stream = await start_run(caller=caller_of(acme), address=agent.slug, request=ask())
        count = 0
        async for event in stream:
            count += isinstance(event, Delta)
            if number % 2 and count == number:
                await stream.aclose()
                break
        return count

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(talk(number)) for number in range(30)]

    assert [task.result() for number, task in enumerate(tasks) if number % 2 == 0] == [30] * 15
