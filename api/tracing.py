"""Each request belongs to one trace: the client's, if it names one well, else a new one."""

import random
import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, StatusCode, TraceFlags

_TRACEPARENT = re.compile(rb"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")

_tracer = trace.get_tracer("robutler.api")


@contextmanager
def traced(headers: Mapping[bytes, bytes], *, method: str, route: str) -> Generator[Span]:
    """Work within the request's trace. What is done inside, in whichever task, and asked of others belongs to it.

    Nothing is remembered of whatever this task did before. Where no SDK records spans there is a trace all the same:
    its id is in the log, on the run, and in what is asked of the model's provider.
    """
    span = _tracer.start_span(
        f"{method} {route}",
        parent_of(headers),
        kind=SpanKind.SERVER,
        attributes={"http.request.method": method, "http.route": route},
    )
    if not span.get_span_context().is_valid:
        span = NonRecordingSpan(_new())
    token = contexts.attach(trace.set_span_in_context(span, Context()))
    try:
        yield span
    finally:
        contexts.detach(token)
        span.end()


def trace_id_of(span: Span) -> str:
    """The trace's id, as everybody writes it."""
    return trace.format_trace_id(span.get_span_context().trace_id)


def answered(span: Span, *, status: int, error_type: str | None) -> None:
    """Say of the request's span how the request was answered."""
    if span.is_recording():
        span.set_attribute("http.response.status_code", status)
        if status >= 500:
            span.set_status(StatusCode.ERROR)
        if error_type is not None:
            span.set_attribute("error.type", error_type)


def parent_of(headers: Mapping[bytes, bytes]) -> Context:
    """The client's span, if its `traceparent` is well formed. What else it has to say of its trace is its own."""
    match = _TRACEPARENT.fullmatch(headers.get(b"traceparent", b""))
    if match is None or (match[1] == b"00" and match[5] is not None):
        return Context()
    context = SpanContext(
        int(match[2], 16), int(match[3], 16), is_remote=True, trace_flags=TraceFlags(int(match[4], 16) & 1)
    )
    return trace.set_span_in_context(NonRecordingSpan(context), Context())


def _new() -> SpanContext:
    # An id has to be unlike others, not hard to guess.
    ids = random.getrandbits(128) or 1, random.getrandbits(64) or 1
    return SpanContext(*ids, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))
