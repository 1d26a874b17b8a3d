"""`python -m benchmarks.models`: our own Anthropic skill beside litellm, on the same streams, in one process.

One stream after the other from a provider that sends as fast as it is read; the two skills take turns, so that a
machine whose speed drifts is fair to both. What counts is the ratio.
"""

import argparse
import asyncio
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from rich.console import Console
from rich.table import Table

import outbound
from benchmarks.processes import free_port, running
from skills.anthropic import AnthropicSkill
from skills.litellm import LiteLLMSkill
from skills.sdk import ModelRequest, ModelSkill, testing
from skills.sdk.testing import MemorySecrets

ROUNDS: Final = 5
SAID: Final = [{"role": "user", "content": "Count."}]


@dataclass(kw_only=True)
class Contender:
    """A skill, where its provider is, and what it took so far: chunks, seconds and CPU seconds of each round."""

    name: str
    skill: ModelSkill
    base_url: str
    rounds: list[tuple[int, float, float]] = field(default_factory=list)

    async def run(self, *, streams: int, chunks: int) -> None:
        """Read so many streams of so many chunks, one after the other."""
        ctx = testing.context(
            secrets=MemorySecrets(credentials={"anthropic": "sk-bench"}, base_url=self.base_url, platform=True)
        )
        request = ModelRequest(model=f"anthropic/count-{chunks}", messages=SAID, max_output_tokens=chunks + 1)
        read = 0
        began, cpu = time.perf_counter(), time.process_time()
        for _ in range(streams):
            async with aclosing(self.skill.stream(ctx, request)) as reply:  # type: ignore[type-var]
                async for chunk in reply:
                    read += bool(chunk.text)
        self.rounds.append((read, time.perf_counter() - began, time.process_time() - cpu))

    @property
    def chunks_per_s(self) -> float:
        """The median over the rounds."""
        return median(read / seconds for read, seconds, _ in self.rounds)

    @property
    def cpu_us_per_chunk(self) -> float:
        """The same, of this process's own work."""
        return median(cpu / read * 1e6 for read, _, cpu in self.rounds)


async def measured(contenders: Sequence[Contender], *, rounds: int, streams: int, chunks: int) -> None:
    """Let the contenders take turns, after a stream each that does not count."""
    for contender in contenders:
        await contender.run(streams=1, chunks=chunks)
        contender.rounds.clear()
    for _ in range(rounds):
        for contender in contenders:
            await contender.run(streams=streams, chunks=chunks)
    await outbound.close_all()


def main() -> None:
    """Measure both and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--streams", type=int, default=5, help="how many a round")
    parser.add_argument("--chunks", type=int, default=500, help="how many a stream")
    asked = parser.parse_args()
    port = free_port()
    outbound.configure(allow=[f"127.0.0.1:{port}"])
    root = f"http://127.0.0.1:{port}"
    ours = Contender(name="anthropic", skill=AnthropicSkill(), base_url=f"{root}/v1")
    theirs = Contender(name="litellm", skill=LiteLLMSkill(), base_url=root)
    with running("tests.fakes.upstream", "--port", str(port), "--lean", port=port, cpu=1):
        asyncio.run(measured((ours, theirs), rounds=asked.rounds, streams=asked.streams, chunks=asked.chunks))
    table = Table(title="One stream after the other, from the same provider")
    for column in ("skill", "chunk/s", "CPU µs/chunk"):
        table.add_column(column, justify="left" if column == "skill" else "right")
    for contender in (ours, theirs):
        table.add_row(contender.name, f"{contender.chunks_per_s:.0f}", f"{contender.cpu_us_per_chunk:.1f}")
    console = Console()
    console.print(table)
    console.print(
        f"our own skill reads {ours.chunks_per_s / theirs.chunks_per_s:.1f} times litellm's chunks per second"
    )


if __name__ == "__main__":
    main()
