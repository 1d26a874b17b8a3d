"""Asks litellm for embeddings, with arguments that are ours alone."""

import asyncio
import base64
import binascii
import struct
from collections.abc import AsyncGenerator
from typing import Any

import msgspec

from skills.litellm import failures
from skills.litellm.client import VENDOR_SECONDS, vendor
from skills.sdk import Credential, EmbeddingRequest, Embeddings, ModelUnreachable
from skills.sdk.circuits import Route
from skills.sdk.embedding import packed
from skills.sdk.providers import usage_of


class EmbeddingCall(msgspec.Struct, frozen=True, kw_only=True):
    """A request to one model of one provider."""

    route: Route
    request: EmbeddingRequest
    provider: str
    model: str
    credential: Credential
    seconds: float


async def embedded(call: EmbeddingCall) -> AsyncGenerator[Embeddings]:
    """Send the request and yield the answer, which comes whole. Raises a ModelFailed."""
    litellm = await vendor()
    with failures.told(provider=call.provider, hidden=call.credential.secret.reveal()):
        async with asyncio.timeout(call.seconds):
            answer = await litellm.aembedding(**_arguments(call))
        entries = [_entry(entry) for entry in answer.data]
        vectors = tuple(_vector(vector) for _, vector in sorted(entries, key=lambda entry: entry[0]))
        if sorted(index for index, _ in entries) != list(range(len(call.request.inputs))):
            raise ModelUnreachable("The model's provider did not embed every input.")
        told = answer.usage.model_dump() if answer.usage is not None else None
    yield Embeddings(vectors=vectors, usage=usage_of(told and {**told, "completion_tokens": 0}, spoke=False))


def _arguments(call: EmbeddingCall) -> dict[str, Any]:
    chosen = {"dimensions": call.request.dimensions, "user": call.request.end_user}
    return {name: value for name, value in chosen.items() if value is not None} | {
        "model": call.model,
        "custom_llm_provider": call.provider,
        "input": list(call.request.inputs),
        "api_key": call.credential.secret.reveal(),
        "api_base": call.credential.base_url if call.credential.platform else None,
        "timeout": call.seconds + VENDOR_SECONDS,
        "num_retries": 0,
        "max_retries": 0,
    }


def _entry(entry: Any) -> tuple[int, Any]:
    """Litellm gives some providers' vectors as objects, some as mappings."""
    if isinstance(entry, dict):
        return entry["index"], entry["embedding"]
    return entry.index, entry.embedding


def _vector(told: Any) -> bytes:
    try:
        return base64.b64decode(told, validate=True) if isinstance(told, str) else packed(told)
    except (binascii.Error, struct.error):
        raise ModelUnreachable("The model's provider sent an answer that is not readable.") from None
