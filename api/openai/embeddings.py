"""Embeddings, as a plain ASGI application: vectors of a model of the organization's own choice."""

import base64
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from asgiref.typing import ASGIReceiveCallable, ASGISendCallable, HTTPScope
from django.conf import settings
from msgspec import Meta

from agents.runtime.events import Embedded, Event, Finished
from agents.services.embeddings import EmbeddingCall, start_embedding
from api import metrics
from api.company import accompanied, departure
from api.edge import Exchange, serve
from api.limits import Slot
from api.openai.billable import MAX_COST, admit, max_cost_nanos, run_headers
from api.openai.decoding import Fields, decoded, fields_of
from api.payment import token_in
from api.problems import InvalidRequest
from skills.sdk import EmbeddingInput, EmbeddingRequest
from skills.sdk.embedding import unpacked
from tenants.ids import uuid7

PATH = "/v1/embeddings"
ROUTE = "embeddings"
MAX_INPUTS = 2_048
MAX_TOKENS = 8_192
"""Of one input, where it comes as tokens; of texts only their model knows."""
MAX_DIMENSIONS = 16_384
MAX_NUMBERS = 8_388_608
"""Of one answer, where the request says how many: 2,048 vectors of 4,096 numbers."""
DEFAULT_PROVIDER = "openai"

Text: TypeAlias = Annotated[str, Meta(min_length=1)]
Token: TypeAlias = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Tokens: TypeAlias = Annotated[list[Token], Meta(min_length=1, max_length=MAX_TOKENS)]
ModelName: TypeAlias = Annotated[str, Meta(min_length=1, max_length=200)]

TYPES: dict[str, Any] = {
    "dimensions": Annotated[int, Meta(ge=1, le=MAX_DIMENSIONS)] | None,
    "encoding_format": Literal["float", "base64"] | None,
    "model": ModelName,
    "user": Annotated[str, Meta(max_length=512)] | None,
}
_decoders = {name: msgspec.json.Decoder(kind) for name, kind in TYPES.items()}
_text = msgspec.json.Decoder(Text)
_texts = msgspec.json.Decoder(Annotated[list[Text], Meta(min_length=1, max_length=MAX_INPUTS)])
_tokens = msgspec.json.Decoder(Tokens)
_many_tokens = msgspec.json.Decoder(Annotated[list[Tokens], Meta(min_length=1, max_length=MAX_INPUTS)])


async def embeddings(scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """Answer POST /v1/embeddings."""
    await serve(
        Exchange(scope, receive, send), partial(admit, answer=_answer), route=ROUTE, errors=metrics.agent_errors
    )


async def _answer(exchange: Exchange, slot: Slot) -> None:
    assert exchange.caller is not None
    body = await exchange.body(limit=settings.ROBUTLER.body_limit_bytes)
    asked = decode(body)
    call = EmbeddingCall(
        run_id=exchange.run_id or uuid7(),
        request_id=exchange.request_id,
        request=asked.request,
        max_cost_nanos=max_cost_nanos(exchange.headers.get(MAX_COST)),
        payment_token=token_in(exchange.headers),
        retry_of=exchange.retry_of,
    )
    exchange.note(run_id=str(call.run_id))
    await slot.begin(input_bytes=len(body), output_tokens=0, end_user=asked.request.end_user)
    async with aclosing(await start_embedding(caller=exchange.caller, call=call)) as run:
        slot.follow(run)
        async with accompanied(departure(exchange)):
            events = [event async for event in run]
        slot.release()
        await exchange.answer(200, _body(events, asked), run_headers(run))


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request for embeddings, and the model as its client wrote it."""

    request: EmbeddingRequest
    model: str
    as_base64: bool


def decode(body: bytes) -> Asked:
    """The request that `body` is. Raises InvalidRequest with the field it is about."""
    fields = fields_of(body)
    for name in sorted(fields.keys() - _decoders.keys() - {"input"}):
        shown = name[:64]
        raise InvalidRequest(f"Unrecognized request argument: '{shown}'.", code="unknown_parameter", param=shown)
    for name in ("model", "input"):
        if name not in fields:
            raise InvalidRequest(f"'{name}' is required.", code="missing_required_parameter", param=name)
    given = {name: decoded(name, raw, _decoders[name]) for name, raw in fields.items() if name != "input"}
    model, inputs = given["model"], _inputs(fields)
    if len(inputs) * (given.get("dimensions") or 1) > MAX_NUMBERS:
        raise InvalidRequest(
            f"That many inputs of that many 'dimensions' are more than {MAX_NUMBERS} numbers. Send fewer at a time.",
            param="dimensions",
        )
    return Asked(
        request=EmbeddingRequest(
            model=model if "/" in model else f"{DEFAULT_PROVIDER}/{model}",
            inputs=inputs,
            dimensions=given.get("dimensions"),
            end_user=given.get("user"),
        ),
        model=model,
        as_base64=given.get("encoding_format") == "base64",
    )


def _inputs(fields: Fields) -> list[EmbeddingInput]:
    """The inputs as a list, whichever of the four forms they came in: a text, texts, tokens, or several of those."""
    raw = fields["input"]
    start = bytes(raw).translate(None, b" \t\r\n")[:2]
    if start[:1] == b'"':
        return [decoded("input", raw, _text)]
    if start == b"[[":
        return list(decoded("input", raw, _many_tokens))
    if start[:1] == b"[" and start[1:].isdigit():
        return [decoded("input", raw, _tokens)]
    return list(decoded("input", raw, _texts))


def _body(events: Sequence[Event], asked: Asked) -> bytes:
    vectors = next(event.vectors for event in events if isinstance(event, Embedded))
    read = next(event.usage.input_tokens for event in events if isinstance(event, Finished))
    return msgspec.json.encode(
        {
            "object": "list",
            "data": [
                {"object": "embedding", "index": index, "embedding": _written(vector, as_base64=asked.as_base64)}
                for index, vector in enumerate(vectors)
            ],
            "model": asked.model,
            "usage": {"prompt_tokens": read, "total_tokens": read},
        }
    )


def _written(vector: bytes, *, as_base64: bool) -> str | msgspec.Raw:
    """A vector as numbers, or packed and in base64, as the official SDKs ask for it."""
    return base64.b64encode(vector).decode() if as_base64 else msgspec.Raw(msgspec.json.encode(unpacked(vector)))
