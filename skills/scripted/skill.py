"""The scripted model."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, ClassVar
from uuid import uuid4

import msgspec
from pydantic import Field

from skills.scripted import hashing, obedience, persona
from skills.scripted.script import Rule, Said
from skills.sdk import (
    Chunk,
    EmbeddingInput,
    EmbeddingRequest,
    Embeddings,
    FinishReason,
    ModelRequest,
    ModelSkill,
    RunContext,
    Skill,
    ToolCallFragment,
    Usage,
)

_BYTES_PER_TOKEN = 4
_WORDS = re.compile(r"\s*\S+\s*?(?=\s|$)|\s+")


class ScriptedSkill(ModelSkill):
    """A model with no network: it follows its script, and where that is silent, a small persona that uses tools."""

    name = "scripted"
    providers: ClassVar[frozenset[str]] = frozenset({"scripted"})

    class Options(Skill.Options):
        """What the model says, and how fast."""

        rules: tuple[Rule, ...] = Field(default=(), description="Replies by what the user says; the first match wins.")
        chunk_ms: int = Field(default=0, ge=0, le=60_000, description="Milliseconds of pause before each chunk.")
        chunk_chars: int = Field(default=0, ge=0, le=10_000, description="Characters per chunk; 0 streams words.")

    options: Options

    async def stream(self, ctx: RunContext, request: ModelRequest) -> AsyncIterator[Chunk]:
        """Say what the script, or the persona, has to say to this request."""
        said, asked = self._said(request), request.parameters
        obedience.check(asked, said)
        await self._think(said)
        choices = int(asked.get("n") or 1)
        pieces = said.chunks or tuple(_pieces(said.text, self.options.chunk_chars))
        pieces = tuple(obedience.until_stop(pieces, asked.get("stop")))
        kept, is_cut = _affordable(pieces, request.max_output_tokens)
        sent = 0
        for choice in range(choices):
            if said.reasoning:
                yield Chunk(choice=choice, reasoning=said.reasoning)
            for piece in kept:
                if said.error is not None and sent >= said.error_after:
                    raise said.failure()
                await asyncio.sleep(self.options.chunk_ms / 1000)
                yield Chunk(choice=choice, text=piece, logprobs=obedience.logprobs(piece, asked, part="content"))
                sent += 1
            if said.refusal:
                sure = obedience.logprobs(said.refusal, asked, part="refusal")
                yield Chunk(choice=choice, refusal=said.refusal, logprobs=sure)
            if extras := _extras(said):
                yield Chunk(choice=choice, extras=extras)
            for chunk in () if is_cut else _call_chunks(said, choice):
                yield chunk
            if said.error is not None:
                raise said.failure()
            yield Chunk(choice=choice, finish_reason=_finish_reason(said, cut=is_cut))
        if not said.no_usage:
            yield Chunk(usage=_usage(said, request, "".join(kept), choices))

    async def embed(self, ctx: RunContext, request: EmbeddingRequest) -> Embeddings:
        """Hash words and pieces of words: no model, but what has words in common is near."""
        dimensions = request.dimensions or hashing.DIMENSIONS
        vectors = await asyncio.to_thread(_vectors, request.inputs, dimensions)
        return Embeddings(vectors=vectors, usage=Usage(input_tokens=sum(map(_tokens_in, request.inputs))))

    async def _think(self, said: Said) -> None:
        if said.delay_ms:
            await asyncio.sleep(said.delay_ms / 1000)
        if said.error is not None and said.error_after == 0:
            raise said.failure()

    def _said(self, request: ModelRequest) -> Said:
        words = persona.last_words(request.messages)
        rule = next((rule for rule in self.options.rules if rule.applies(words)), None)
        scripted = rule.reply(_replies_since_user(request)) if rule is not None else None
        return scripted or persona.reply(request)


def _tokens_in(said: EmbeddingInput) -> int:
    return -(-len(said.encode(errors="replace")) // _BYTES_PER_TOKEN) if isinstance(said, str) else len(said)


def _vectors(inputs: Sequence[EmbeddingInput], dimensions: int) -> tuple[bytes, ...]:
    return tuple(hashing.vector_of(each, dimensions=dimensions) for each in inputs)


def _replies_since_user(request: ModelRequest) -> int:
    """How often the model has spoken since the user did: its place in a rule's replies."""
    count = 0
    for message in reversed(request.messages):
        if persona.is_users(message):
            break
        count += message.get("role") == "assistant"
    return count


def _pieces(text: str, chunk_chars: int) -> Iterator[str]:
    if chunk_chars:
        return (text[start : start + chunk_chars] for start in range(0, len(text), chunk_chars))
    return (found[0] for found in _WORDS.finditer(text))


def _affordable(pieces: tuple[str, ...], max_output_tokens: int | None) -> tuple[tuple[str, ...], bool]:
    """As much of the reply as the limit allows, to the byte, and whether that is less than all."""
    if max_output_tokens is None:
        return pieces, False
    left = max_output_tokens * _BYTES_PER_TOKEN
    kept: list[str] = []
    for piece in pieces:
        encoded = piece.encode()[:left]
        if shown := encoded.decode(errors="ignore"):
            kept.append(shown)
        left -= len(piece.encode())
        if left < 0:
            return tuple(kept), True
    return tuple(kept), False


def _call_chunks(said: Said, choice: int) -> Iterator[Chunk]:
    """A call in three pieces: its name, and its arguments in two."""
    for index, call in enumerate(said.calls):
        arguments = call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments)
        half = len(arguments) // 2
        named = ToolCallFragment(index=index, id=call.id or f"call_{uuid4().hex}", name=call.name)
        yield Chunk(choice=choice, tool_calls=(named,))
        for part in (arguments[:half], arguments[half:]):
            if part:
                yield Chunk(choice=choice, tool_calls=(ToolCallFragment(index=index, arguments=part),))


def _extras(said: Said) -> dict[str, Any] | None:
    extras = {"annotations": list(said.annotations), "audio": said.audio}
    return {name: value for name, value in extras.items() if value} or None


def _finish_reason(said: Said, *, cut: bool) -> FinishReason:
    if cut:
        return "length"
    return said.finish_reason or ("tool_calls" if said.calls else "stop")


def _usage(said: Said, request: ModelRequest, text: str, choices: int) -> Usage:
    if said.usage is not None:
        return Usage(**said.usage.model_dump())
    read = msgspec.json.encode(request.messages), msgspec.json.encode(request.tools)
    called = "".join(call.name + json.dumps(call.arguments) for call in said.calls)
    written = len((text + said.reasoning + said.refusal + called).encode()) * choices
    return Usage(
        input_tokens=-(-sum(map(len, read)) // _BYTES_PER_TOKEN),
        output_tokens=-(-written // _BYTES_PER_TOKEN),
        reasoning_tokens=len(said.reasoning.encode()) * choices // _BYTES_PER_TOKEN,
    )
