"""One model call of a run, as its chunks come in: what goes to the client, what is kept, what it used."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any
from uuid import uuid4

import msgspec

from agents.runtime import tracing
from agents.runtime.answering import Answering
from agents.runtime.events import Delta
from agents.runtime.whole import whole_text
from skills.sdk.calls import ModelReply, ToolCall
from skills.sdk.errors import ModelUnreachable
from skills.sdk.model import Chunk, FinishReason, Message, ModelRequest, ToolCallFragment
from skills.sdk.ports import Meter
from skills.sdk.usage import Usage, counted

_SHORTEST_ID = 12
"""Providers whose call ids are shorter than this number them; such ids say nothing across conversations."""
_LONGEST_ID = 256
_SOUND_PER_BYTE = 800
"""A second of speech is twenty tokens, each counted as four bytes of text, and 64,000 characters of base64."""


class _Call:
    """A tool call of which pieces arrive. `client_index` is its place among the client's calls, once it is one."""

    __slots__ = ("arguments", "client_index", "id", "name")

    def __init__(self, id: str) -> None:
        self.id = id
        self.name = ""
        self.arguments: list[str] = []
        self.client_index: int | None = None


class _Choice:
    """One of the `n` replies of a model call."""

    __slots__ = ("calls", "client_calls", "extras", "finish_reason", "logprobs", "refusal", "text")

    def __init__(self) -> None:
        self.text: list[str] = []
        self.refusal: list[str] = []
        self.calls: dict[int, _Call] = {}
        self.client_calls = 0
        self.extras: dict[str, Any] = {}
        self.logprobs: list[Any] = []
        self.finish_reason: FinishReason | None = None


class Turn:
    """One model call. `absorb` takes a chunk in and says what of it the client gets to see.

    With `keeps_text` that is no word of its text, until `release` gives it out.
    """

    def __init__(
        self,
        *,
        number: int,
        request: ModelRequest,
        stream: AsyncIterator[Chunk],
        input_bytes: int,
        client_names: frozenset[str],
        known_ids: set[str],
        meter: Meter,
        is_last: bool = False,
        keeps_text: bool = False,
    ) -> None:
        self.number = number
        self.request = request
        self.model = request.model
        """Who answers."""
        self.span = tracing.model_call(request.model)
        self.stream = stream
        self.is_last = is_last
        self._keeps_text = keeps_text
        self.began = False
        self._input_bytes = input_bytes
        self._produced_bytes = 0
        self._client_names = client_names
        self._known_ids = known_ids
        self._meter = meter
        self._choices: dict[int, _Choice] = {}
        self._usage: Usage | None = None
        self.reply_id = ""

    def ask_again(self, answering: Answering, *, without: str, telling: Sequence[Message] = ()) -> None:
        """Open the stream anew without a parameter, before anything was said."""
        kept = {name: value for name, value in self.request.parameters.items() if name != without}
        messages = [*self.request.messages, *telling]
        self.request = msgspec.structs.replace(self.request, parameters=kept, messages=messages)
        self.stream = answering.stream(self.request)

    def absorb(self, chunk: Chunk) -> Delta | None:
        """Keep what a chunk says, count it, and pass on what is the client's to see, if anything."""
        self.began = True
        choice = self._choices.get(chunk.choice)
        if choice is None:
            choice = self._choices[chunk.choice] = _Choice()
        if chunk.text:
            choice.text.append(chunk.text)
        if chunk.refusal:
            choice.refusal.append(chunk.refusal)
        fragments = self._fragments(choice, chunk.tool_calls) if chunk.tool_calls else ()
        if chunk.extras:
            choice.extras.update(chunk.extras)
        choice.finish_reason = chunk.finish_reason or choice.finish_reason
        if chunk.reply_id:
            self.reply_id = whole_text(chunk.reply_id)
        self._count(chunk)
        text, logprobs = chunk.text, chunk.logprobs
        if self._keeps_text and not chunk.refusal:
            choice.logprobs.extend((logprobs or {}).get("content") or ())
            text, logprobs = "", None
        if not (text or chunk.reasoning or chunk.refusal or fragments or logprobs or chunk.extras or chunk.about):
            return None
        return Delta(
            choice=chunk.choice,
            text=text,
            reasoning=chunk.reasoning,
            refusal=chunk.refusal,
            tool_calls=fragments,
            logprobs=logprobs,
            extras=chunk.extras,
            about=chunk.about,
        )

    def text(self, index: int) -> str:
        """What a choice says."""
        return whole_text("".join(self._choices[index].text))

    def refuses(self, index: int) -> bool:
        """Whether a choice says that it will not answer."""
        return bool(self._choices[index].refusal)

    def released(self, index: int, *, text: str, as_choice: int) -> Delta:
        """The text of a choice that was kept back, in its final form."""
        logprobs = self._choices[index].logprobs
        return Delta(choice=as_choice, text=text, logprobs={"content": logprobs} if logprobs else None)

    def cut(self) -> None:
        """Let the reply end here, as one that is too long."""
        for choice in self._choices.values():
            choice.finish_reason = choice.finish_reason or "length"

    @property
    def usage(self) -> Usage:
        """As the provider reported it, else counted over what went in and came out, four bytes to a token."""
        if self._usage is not None:
            return self._usage
        return counted(input_bytes=self._input_bytes, output_bytes=self._produced_bytes)

    def reply(self) -> ModelReply:
        """What the first choice came to; raises ModelUnreachable when it, or another one, broke off."""
        choice = self._choices.get(0)
        if choice is None or any(each.finish_reason is None for each in self._choices.values()):
            raise ModelUnreachable("The model's reply broke off before it was finished.")
        return ModelReply(
            text=whole_text("".join(choice.text)),
            tool_calls=_calls(choice),
            finish_reason=choice.finish_reason or "stop",
            usage=self.usage,
        )

    def message(self, *, text: str, calls: Sequence[ToolCall]) -> Message:
        """The first choice as the assistant's message of the conversation, with the words and calls that count."""
        choice = self._choices[0]
        message: Message = {"role": "assistant", "content": text or None}
        if choice.refusal:
            message["refusal"] = whole_text("".join(choice.refusal))
        if calls:
            message["tool_calls"] = [
                {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
                for call in calls
            ]
        return message

    @property
    def finish_reasons(self) -> list[str]:
        """Why the choices that ended did."""
        return [choice.finish_reason for choice in self._choices.values() if choice.finish_reason is not None]

    def is_clients(self, call: ToolCall) -> bool:
        """Whether a call is the client's to carry out."""
        return call.name in self._client_names

    def further_choices(self) -> Mapping[int, tuple[FinishReason, tuple[str, ...]]]:
        """Why the choices after the first ended, and which of the agent's own tools they wanted in vain."""
        return {
            index: (_reason(choice), tuple(call.name for call in _calls(choice) if not self.is_clients(call)))
            for index, choice in self._choices.items()
            if index > 0
        }

    def _count(self, chunk: Chunk) -> None:
        if chunk.usage is not None and chunk.usage.is_possible():
            self._usage = chunk.usage
        produced = _size(chunk.text)
        if chunk.reasoning or chunk.refusal or chunk.tool_calls:
            produced += _size(chunk.reasoning) + _size(chunk.refusal)
            produced += sum(_size(piece.name) + _size(piece.arguments) for piece in chunk.tool_calls)
        if chunk.extras:
            produced += _spoken(chunk.extras.get("audio"))
        if produced:
            self._produced_bytes += produced
            self._meter.produced(produced, model=self.model)

    def _fragments(self, choice: _Choice, fragments: tuple[ToolCallFragment, ...]) -> tuple[ToolCallFragment, ...]:
        """Keep the pieces of calls; pass on those of the client's calls, numbered among themselves."""
        passed: list[ToolCallFragment] = []
        for fragment in fragments:
            call = choice.calls.get(fragment.index)
            if call is None:
                call = choice.calls[fragment.index] = _Call(self._unique(fragment.id))
            call.arguments.append(fragment.arguments)
            call.name = call.name or fragment.name
            if call.client_index is not None:
                passed.append(ToolCallFragment(index=call.client_index, arguments=fragment.arguments))
            elif call.name in self._client_names:
                call.client_index = choice.client_calls
                choice.client_calls += 1
                so_far = "".join(call.arguments)
                passed.append(ToolCallFragment(index=call.client_index, id=call.id, name=call.name, arguments=so_far))
        return tuple(passed)

    def _unique(self, id: str) -> str:
        """An id that no other call of the conversation has, nor is likely to have in another one."""
        if not _SHORTEST_ID <= len(id) <= _LONGEST_ID or id in self._known_ids or whole_text(id) != id:
            id = f"call_{uuid4().hex}"
        self._known_ids.add(id)
        return id


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode(errors="replace"))


def _spoken(audio: Any) -> int:
    """What a piece of speech counts for, in bytes of text."""
    if not isinstance(audio, Mapping):
        return 0
    words, sound = (said if isinstance(said := audio.get(name), str) else "" for name in ("transcript", "data"))
    return _size(words) - (-len(sound) // _SOUND_PER_BYTE)


def _calls(choice: _Choice) -> tuple[ToolCall, ...]:
    return tuple(
        ToolCall(id=call.id, name=whole_text(call.name), arguments=whole_text("".join(call.arguments)))
        for call in choice.calls.values()
    )


def _reason(choice: _Choice) -> FinishReason:
    if choice.finish_reason == "tool_calls" and not choice.client_calls:
        return "stop"
    return choice.finish_reason or "stop"
