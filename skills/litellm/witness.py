"""Stands between a provider's stream and litellm: nothing is passed over there, and nothing made up."""

import asyncio
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any, cast

import msgspec

from skills.sdk import ModelUnreachable
from skills.sdk.providers import is_possible_usage

LINE_CHARACTERS_MAX = 16_000_000
"""A longer line is no piece of a reply. Litellm's client has it in memory by then; it goes no further."""
WIND_UP_SECONDS = 0.05
"""How long to wait for the connection's last bytes, so that it can be used again."""


class Witness:
    """What a reply's stream really said."""

    def __init__(self, *, passes_over_errors: type) -> None:
        """`passes_over_errors` is the class of litellm's readers that skip what they cannot read."""
        self._passes_over_errors = passes_over_errors
        self._gave_reason: bool | None = None
        self._refusals: list[tuple[int, str]] = []

    def refusals(self) -> list[tuple[int, str]]:
        """Words of refusal that came since this was last asked, and their choices: litellm passes over them."""
        heard, self._refusals = self._refusals, []
        return heard

    def watch(self, stream: Any) -> None:
        """Stand before litellm's stream, wherever its provider's module lets us.

        Modules that neither read lines nor use OpenAI's client (boto3's, Vertex AI's own SDK) are taken at their word.
        """
        if stream.completion_stream is not None:
            stream.completion_stream = self._watched(stream.completion_stream)
        elif stream.make_call is not None:
            make_call = stream.make_call

            async def make_watched_call(*arguments: Any, **named: Any) -> Any:
                return self._watched(await make_call(*arguments, **named))

            stream.make_call = make_watched_call

    def has_ended(self, stream: Any) -> bool:
        """Whether the provider gave a reason to end: litellm gives every reply one, also one that broke off."""
        told = stream.received_finish_reason or stream.intermittent_finish_reason
        return bool(told) if self._gave_reason is None else self._gave_reason

    def _watched(self, reader: Any) -> Any:
        lines = getattr(reader, "streaming_response", None)
        if inspect.isasyncgen(lines):
            strict = isinstance(reader, self._passes_over_errors)
            reader.streaming_response = self._lines(cast(AsyncGenerator[Any], lines), strict=strict)
            return reader
        return _Chunks(reader, self._refusals_in) if hasattr(reader, "__aiter__") else reader

    async def _lines(self, lines: AsyncGenerator[Any], *, strict: bool) -> AsyncGenerator[Any]:
        """The lines without comments, up to the end mark, of which litellm would make a reason to stop."""
        async with aclosing(lines):
            async for line in lines:
                if not isinstance(line, str):
                    yield line
                elif line.startswith("data:") and line[5:].strip() == "[DONE]":
                    await _wind_up(lines)
                    return
                elif not line.startswith(":"):
                    self._look_for_geminis_reason(line)
                    if '"refusal":"' in line or '"refusal": "' in line:
                        self._refusals_in(_event(line))
                    yield _checked(line, strict=strict)

    def _refusals_in(self, event: Any) -> None:
        choices = event.get("choices") if isinstance(event, dict) else None
        for choice in choices if isinstance(choices, list) else ():
            delta = choice.get("delta") if isinstance(choice, dict) else None
            words = delta.get("refusal") if isinstance(delta, dict) else None
            if isinstance(words, str) and isinstance(index := choice.get("index", 0), int):
                self._refusals.append((index, words))

    def _look_for_geminis_reason(self, line: str) -> None:
        """Litellm's module for Gemini gives every piece a reason. Quotes within text would stand behind backslashes."""
        if self._gave_reason is None and '"candidates"' in line:
            self._gave_reason = False
        if self._gave_reason is False and '"finishReason"' in line:
            self._gave_reason = True


async def _wind_up(lines: AsyncGenerator[Any]) -> None:
    try:
        async with asyncio.timeout(WIND_UP_SECONDS):
            await anext(lines, None)
    except TimeoutError:
        return


def _checked(line: str, *, strict: bool) -> str:
    """The line, its usage left out if that cannot be true. Raises ModelUnreachable for what is no piece of a reply."""
    if len(line) > LINE_CHARACTERS_MAX:
        raise ModelUnreachable("The model's provider sent more at once than a reply can be.")
    data = line.removeprefix("data:").strip()
    if not data or (data == line and not data.startswith("{")):
        return line
    try:
        event = msgspec.json.decode(data)
    except msgspec.DecodeError:
        if strict:
            raise ModelUnreachable("The model's provider sent a reply that is not readable.") from None
        return line
    if not isinstance(event, dict) or not isinstance(event.get("choices"), list):
        return line
    if any(isinstance(choice, dict) and "message" in choice for choice in event["choices"]):
        raise ModelUnreachable("The model's provider does not stream its reply.")
    if event.get("usage") is not None and not is_possible_usage(event["usage"]):
        return f"data: {msgspec.json.encode(event | {'usage': None}).decode()}"
    return line


def _event(line: str) -> Any:
    try:
        return msgspec.json.decode(line.removeprefix("data:").strip())
    except msgspec.DecodeError:
        return None


class _Chunks:
    """The chunks of OpenAI's client, without usage that cannot be true; `refusals_in` sees those with refusals."""

    def __init__(self, reader: Any, refusals_in: Callable[[Any], None]) -> None:
        self._reader = reader
        self._refusals_in = refusals_in

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        chunk = await anext(self._reader)
        usage: Any = getattr(chunk, "usage", None)
        if usage is not None and not is_possible_usage(usage.model_dump(warnings=False)):
            chunk.usage = None
        if any(getattr(choice.delta, "refusal", None) for choice in getattr(chunk, "choices", None) or ()):
            self._refusals_in(chunk.model_dump(include={"choices"}, warnings=False))
        return chunk

    async def aclose(self) -> None:
        """Close the connection."""
        close = getattr(self._reader, "aclose", None) or self._reader.close
        await close()
