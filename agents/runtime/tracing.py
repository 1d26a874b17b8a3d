"""The spans of a run. Their names and attributes are OpenTelemetry's for generative AI; what was said is in none."""

from opentelemetry import trace


def trace_id() -> str:
    """The id of the trace that this work belongs to; empty outside of any."""
    context = trace.get_current_span().get_span_context()
    return trace.format_trace_id(context.trace_id) if context.is_valid else ""
