"""OpenAI's own types, read strictly: no field that they do not name, no value that they do not allow."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator
from openai.types import CreateEmbeddingResponse, Model
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.shared import ErrorObject
from pydantic import BaseModel

DONE = "[DONE]"

# What OpenAI sends although its types do not say so, and what our errors say besides.
BESIDES: Mapping[str, tuple[str, ...]] = {
    "ChatCompletionChunk": ("obfuscation",),
    "ChoiceDelta": ("annotations", "audio"),
    "ErrorObject": ("metadata", "retry_after"),
}


def complaints(kind: type[BaseModel], value: Any) -> list[str]:
    """What is wrong with a value that claims to be of one of OpenAI's types."""
    return [f"{kind.__name__}{error.json_path[1:]}: {error.message}" for error in _validator(kind).iter_errors(value)]


def complaints_about_whole(path: str, status: int, body: bytes) -> list[str]:
    """What is wrong with a whole answer to a request for `path`."""
    value = json.loads(body)
    if status >= 400:
        return complaints(ErrorObject, value["error"])
    if path.endswith("/chat/completions"):
        return complaints(ChatCompletion, value)
    if path.endswith("/embeddings"):
        return complaints(CreateEmbeddingResponse, value)
    if path.endswith("/models"):
        return [found for model in value["data"] for found in complaints(Model, model)]
    return complaints(Model, value) if "/models/" in path else []


def complaints_about_stream(body: bytes) -> list[str]:
    """What is wrong with a stream of completion chunks: with each of them, and with what they are together."""
    events = list(events_of(body))
    chunks = [json.loads(data) for data in events if data != DONE]
    if chunks and "error" in chunks[-1]:
        found = complaints(ErrorObject, chunks.pop()["error"])
    else:
        found = list(_complaints_about_end(chunks))
    found += [complaint for chunk in chunks for complaint in complaints(ChatCompletionChunk, chunk)]
    if events[-1:] != [DONE] or events.count(DONE) != 1:
        found.append("A stream ends in one [DONE].")
    if len({(chunk["id"], chunk["created"], chunk["model"]) for chunk in chunks}) > 1:
        found.append("The chunks of a stream share id, created and model.")
    first = next((choice["delta"] for chunk in chunks for choice in chunk["choices"]), {"role": "assistant"})
    if first.get("role") != "assistant":
        found.append("The first delta says that an assistant speaks.")
    return found


def events_of(body: bytes) -> Iterator[str]:
    """The data of the unnamed events of a stream."""
    for frame in body.decode().split("\n\n"):
        lines = frame.split("\n")
        if not any(line.startswith("event:") for line in lines):
            yield from (line.removeprefix("data: ") for line in lines if line.startswith("data:"))


def _complaints_about_end(chunks: list[dict[str, Any]]) -> Iterator[str]:
    finished: set[int] = set()
    for chunk in chunks:
        for choice in chunk["choices"]:
            if choice["index"] in finished:
                yield f"Choice {choice['index']} goes on after its finish_reason."
            if choice["finish_reason"] is not None:
                finished.add(choice["index"])
    if {choice["index"] for chunk in chunks for choice in chunk["choices"]} != finished:
        yield "Every choice has a finish_reason."
    if any("usage" in chunk for chunk in chunks) and [bool(chunk["usage"]) for chunk in chunks][-2:] != [False, True]:
        yield "Usage that was asked for is null in every chunk but the last, which has no choices."


@cache
def _validator(kind: type[BaseModel]) -> Draft202012Validator:
    schema = kind.model_json_schema()
    for part in (schema, *schema.get("$defs", {}).values()):
        if "properties" in part:
            part["properties"] |= {name: {} for name in BESIDES.get(part["title"], ())}
            part["additionalProperties"] = False
    return Draft202012Validator(schema)
