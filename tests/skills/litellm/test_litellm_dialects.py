"""Providers that speak otherwise than OpenAI, through litellm's readers for them."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest

import outbound
from skills.litellm import LiteLLMSkill
from skills.sdk import Chunk, ModelRequest, ModelUnreachable, testing
from skills.sdk.testing import MemorySecrets

ANTHROPIC: list[dict[str, Any]] = [
    {"type": "message_start", "message": {"id": "m", "type": "message", "role": "assistant", "model": "c",
     "content": [], "stop_reason": None, "usage": {"input_tokens": 7, "output_tokens": 1}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": " you"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}},
    {"type": "message_stop"},
]  # fmt: skip
GEMINI: list[dict[str, Any]] = [
    {"candidates": [{"content": {"role": "model", "parts": [{"text": "Hello"}]}, "index": 0}]},
    {"candidates": [{"content": {"role": "model", "parts": [{"text": " you"}]}, "finishReason": "STOP", "index": 0}],
     "usageMetadata": {"promptTokenCount": 7, "candidatesTokenCount": 3, "totalTokenCount": 10}},
]  # fmt: skip
DIALECTS = {"anthropic/claude-3-haiku-20240307": ANTHROPIC, "gemini/gemini-2.0-flash": GEMINI}
each_dialect = pytest.mark.parametrize("model", DIALECTS)


@asynccontextmanager
async def saying(lines: list[str]) -> AsyncIterator[str]:
    """The address of a server that answers any request with these lines, and hangs up."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        await reader.readexactly(int(head.partition("content-length:")[2].split()[0]))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
        writer.write("".join(f"{line}\n\n" for line in lines).encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        yield f"{host}:{port}"


def events(said: list[dict[str, Any]]) -> list[str]:
    return [f"data: {json.dumps(event)}" for event in said]


async def replied(model: str, lines: list[str]) -> list[Chunk]:
    async with saying(lines) as address:
        outbound.configure(allow=[address])
        secrets = MemorySecrets(
            credentials={model.partition("/")[0]: "sk-test-0123456789"}, base_url=f"http://{address}", platform=True
        )
        skill = LiteLLMSkill(LiteLLMSkill.Options(retries=0, first_byte_timeout_s=10, idle_timeout_s=2))
        asked = ModelRequest(model=model, messages=[{"role": "user", "content": "Say hello."}])
        async with aclosing(skill.stream(testing.context(secrets=secrets), asked)) as chunks:
            return [chunk async for chunk in chunks]


@each_dialect
async def test_a_whole_reply_is_read(model: str) -> None:
    chunks = await replied(model, [": welcome", *events(DIALECTS[model])])

    assert "".join(chunk.text for chunk in chunks) == "Hello you"
    assert [chunk.finish_reason for chunk in chunks if chunk.finish_reason] == ["stop"]
    assert chunks[-1].usage
    assert (chunks[-1].usage.input_tokens, chunks[-1].usage.output_tokens) == (7, 3)


@each_dialect
async def test_a_reply_that_breaks_off_has_not_stopped(model: str) -> None:
    said = DIALECTS[model]

    with pytest.raises(ModelUnreachable):
        await replied(model, events(said[: -2 if model.startswith("anthropic") else -1]))


@each_dialect
async def test_what_is_not_readable_is_no_end(model: str) -> None:
    with pytest.raises(ModelUnreachable):
        await replied(model, [*events(DIALECTS[model][:1]), "data: {half of an ev"])


async def test_what_was_searched_is_counted() -> None:
    searched = {"output_tokens": 3, "server_tool_use": {"web_search_requests": 2}}
    said = [event | {"usage": searched} if event["type"] == "message_delta" else event for event in ANTHROPIC]

    chunks = await replied("anthropic/claude-3-haiku-20240307", events(said))

    assert chunks[-1].usage
    assert chunks[-1].usage.search_requests == 2
