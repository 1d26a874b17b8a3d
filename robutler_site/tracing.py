"""Traces: where they go when the operator wants them, and how they pass from one process to another."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import structlog
from django.conf import settings
from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, StatusCode

import outbound
from api.openai.shapes import release
from api.tracing import parent_of, trace_id_of
from robutler_site.env import WrongSetting

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

_tracer = trace.get_tracer("robutler.tasks")


class _State:
    provider: "TracerProvider | None" = None


def start() -> None:
    """Begin to send spans over OTLP/HTTP if ROBUTLER_OTEL says so; once per process, and after it has forked."""
    if not settings.ROBUTLER.otel or _State.provider is not None:
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise WrongSetting(
            "ROBUTLER_OTEL: traces need opentelemetry-sdk and opentelemetry-exporter-otlp-proto-http, which are not "
            "installed. Install them or unset ROBUTLER_OTEL."
        ) from None
    os.environ.setdefault("OTEL_SERVICE_NAME", "robutler")
    _State.provider = TracerProvider(resource=Resource.create({"service.version": release()}))
    _State.provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(_State.provider)


def stop() -> None:
    """Send what is left. Blocks, for as long as the exporter's own timeout at most."""
    if _State.provider is not None:
        _State.provider.shutdown()


def carry(headers: dict[str, Any]) -> None:
    """Put the present trace into the headers of a task that is being queued."""
    if (parent := outbound.traceparent()) is not None:
        headers["traceparent"] = parent


@contextmanager
def task(name: str, *, id: str, headers: Mapping[str, Any]) -> Iterator[None]:
    """Work on a task within the trace of whoever queued it; its log lines say which task and trace they are of."""
    given = str(headers.get("traceparent") or "").encode()
    span = _tracer.start_span(f"run {name}", parent_of({b"traceparent": given}), kind=SpanKind.CONSUMER)
    token = contexts.attach(trace.set_span_in_context(span, Context()))
    known = {"trace_id": trace_id_of(span)} if span.get_span_context().is_valid else {}
    try:
        with structlog.contextvars.bound_contextvars(task=name, task_id=id, **known):
            yield
    except BaseException as error:
        span.set_attribute("error.type", type(error).__name__)
        span.set_status(StatusCode.ERROR)
        raise
    finally:
        contexts.detach(token)
        span.end()
