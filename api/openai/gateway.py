"""Chat completions, as a plain ASGI application: whole or streamed, at every address an agent has."""

import re
from contextlib import aclosing
from functools import partial

from asgiref.typing import ASGIReceiveCallable, ASGISendCallable, HTTPScope
from django.conf import settings

from agents import selectors
from agents.runtime.events import Event, Finished
from agents.services import runs
from agents.services.runs import RunStream
from api import metrics
from api.company import accompanied, departure
from api.edge import Exchange, serve
from api.limits import Slot
from api.openai import addresses, schemas, wire
from api.openai.billable import MAX_COST, admit, max_cost_nanos, run_headers
from api.openai.schemas import Completion
from api.openai.sse import EventStream
from api.payment import token_in
from api.problems import Headers, InvalidRequest, Problem, Refused
from tenants.ids import uuid7

ROUTE = "chat.completions"

_CONVERSATION_ID = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")


async def completions(scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """Answer POST …/chat/completions."""
    await serve(
        Exchange(scope, receive, send), partial(admit, answer=_answer), route=ROUTE, errors=metrics.agent_errors
    )


async def _answer(exchange: Exchange, slot: Slot) -> None:
    completion = schemas.decode(await exchange.body(limit=settings.ROBUTLER.body_limit_bytes))
    address = _address(exchange, completion)
    metrics.agent_requests(stream=completion.stream).inc()
    await _run(exchange, completion, address, slot)


async def _run(exchange: Exchange, completion: Completion, address: str, slot: Slot) -> None:
    assert exchange.caller is not None
    run_id = exchange.run_id or uuid7()
    exchange.note(run_id=str(run_id), stream=completion.stream)
    request = completion.as_run(
        run_id=run_id,
        request_id=exchange.request_id,
        conversation_id=_conversation_id(exchange),
        max_cost_nanos=max_cost_nanos(exchange.headers.get(MAX_COST)),
        payment_token=token_in(exchange.headers),
        retry_of=exchange.retry_of,
    )
    agent = await selectors.published(exchange.caller, address)
    await slot.begin(
        input_bytes=completion.size_bytes,
        output_tokens=completion.max_output_tokens,
        end_user=completion.end_user,
        agent=agent,
    )
    async with aclosing(await runs.start_run(caller=exchange.caller, address=address, request=request)) as run:
        slot.follow(run)
        exchange.note(agent=run.public_name)
        if completion.stream:
            await _stream(exchange, completion, run, slot)
        else:
            await _whole(exchange, completion, run, slot)


async def _stream(exchange: Exchange, completion: Completion, run: RunStream, slot: Slot) -> None:
    """Send what has arrived in as few writes as possible; the end waits until the run is settled."""
    chunks = wire.Chunks(_envelope(exchange, completion, run))
    stream = EventStream(
        exchange,
        headers=lambda: _headers(completion, run),
        keep_alive_s=settings.ROBUTLER.keep_alive_s,
        failure=chunks.failure,
    )
    async with accompanied(stream.keep_company()):
        closing, is_first = b"", True
        async for event in run:
            events = [event, *run.ready()]
            if isinstance(events[-1], Finished):
                closing = chunks.encode(events)
            elif data := chunks.encode(events):
                await stream.send(data)
            if is_first:
                metrics.overhead.observe(max(0.0, exchange.elapsed_s - run.waited_s))
                is_first = False
        slot.release()
        await stream.send(closing + wire.DONE, more=False)


async def _whole(exchange: Exchange, completion: Completion, run: RunStream, slot: Slot) -> None:
    events: list[Event] = []
    async with accompanied(departure(exchange)):
        async for event in run:
            events += [event, *run.ready()]
    metrics.overhead.observe(max(0.0, exchange.elapsed_s - run.waited_s))
    slot.release()
    body = wire.completion(events, _envelope(exchange, completion, run))
    await exchange.answer(200, body, _headers(completion, run))


def _address(exchange: Exchange, completion: Completion) -> str:
    address = addresses.address_in(exchange.scope["path"])
    if address is None:
        message = "There is nothing at this address."
        raise Refused(Problem(status=404, type="invalid_request_error", code="not_found", message=message))
    if address != addresses.BY_MODEL:
        return address
    if not completion.model:
        raise InvalidRequest(
            "'model' is required: it names the agent.", code="missing_required_parameter", param="model"
        )
    return completion.model


def _envelope(exchange: Exchange, completion: Completion, run: RunStream) -> wire.Envelope:
    return wire.Envelope(
        id=f"chatcmpl-{run.run_id.hex}",
        created=run.created,
        model=run.public_name,
        include_usage=completion.include_usage,
        obfuscate=completion.obfuscate,
        legacy=completion.legacy,
        named_events=exchange.headers.get(b"x-robutler-events") == b"1",
    )


def _headers(completion: Completion, run: RunStream) -> Headers:
    headers = run_headers(run)
    if ignored := {*completion.ignored, *run.ignored}:
        headers.append((b"x-robutler-ignored-params", ", ".join(sorted(ignored)).encode()))
    return headers


def _conversation_id(exchange: Exchange) -> str | None:
    given = exchange.headers.get(b"x-conversation-id")
    if given is None:
        return None
    if not _CONVERSATION_ID.fullmatch(given):
        raise InvalidRequest("X-Conversation-ID takes 1 to 128 letters, digits and . _ : / + = @ -")
    return given.decode()
