"""The trace that a request of ours belongs to, as whoever receives it is told."""

from opentelemetry import trace

HEADER = "traceparent"


def traceparent() -> str | None:
    """The W3C header's value for the span this work belongs to; None outside of any trace."""
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
