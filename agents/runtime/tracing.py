"""The spans of a run. Their names and attributes are OpenTelemetry's for generative AI; what was said is in none.

Without an SDK a span is nothing but the trace's id on its way, and costs next to nothing.
"""

import asyncio
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, StatusCode

if TYPE_CHECKING:
    from agents.runtime.turn import Turn

Attributes = Mapping[str, str | int | bool]

_tracer = trace.get_tracer("robutler.runs")


def trace_id() -> str:
    """The id of the trace that this work belongs to; empty outside of any."""
    context = trace.get_current_span().get_span_context()
    return trace.format_trace_id(context.trace_id) if context.is_valid else ""


@contextmanager
def step(name: str, attributes: Attributes) -> Iterator[Span]:
    """A span around a part of the work, in which further spans may be. Of an error it says the kind and no word."""
    with _tracer.start_as_current_span(
        name, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as span:
        try:
            yield span
        finally:
            _note_error(span)


def tool_call(name: str, *, call_id: str) -> AbstractContextManager[Span]:
    """The span of a call of one of the agent's own tools."""
    attributes = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": name,
        "gen_ai.tool.call.id": call_id,
        "gen_ai.tool.type": "function",
    }
    return step(f"execute_tool {name}", attributes)


def model_call(model: str) -> Span:
    """The span of a model call, to be ended by `answered`: it lasts as long as the reply does."""
    provider, _, name = model.partition("/")
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": provider,
        "gen_ai.request.model": name or provider,
    }
    return _tracer.start_span(f"chat {name or provider}", kind=SpanKind.CLIENT, attributes=attributes)


def within(span: Span) -> AbstractContextManager[Span]:
    """Have whatever is asked of others inside belong to the span."""
    return trace.use_span(span, record_exception=False, set_status_on_exception=False)


def answered(turn: "Turn") -> None:
    """End the span of a model call, with what it came to; called where its error passes, if there is one."""
    span = turn.span
    if span.is_recording():
        span.set_attribute("gen_ai.response.model", turn.model.partition("/")[2] or turn.model)
        span.set_attribute("gen_ai.usage.input_tokens", turn.usage.input_tokens)
        span.set_attribute("gen_ai.usage.output_tokens", turn.usage.output_tokens)
        if reasons := turn.finish_reasons:
            span.set_attribute("gen_ai.response.finish_reasons", reasons)
        _note_error(span)
    span.end()


def _note_error(span: Span) -> None:
    error = sys.exception()
    if error is None or not span.is_recording():
        return
    span.set_attribute("error.type", type(error).__name__)
    if not isinstance(error, asyncio.CancelledError | GeneratorExit):
        span.set_status(StatusCode.ERROR)
