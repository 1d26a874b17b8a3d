"""A collector of traces that takes what OTLP/HTTP exporters send it."""

from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One span, as it came."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: dict[str, Any]
    failed: bool
    events: int


class Collector:
    """Listens at `url` for traces; `spans` are those that came, `raw` all bytes of them."""

    def __init__(self) -> None:
        self.spans: list[Seen] = []
        self.raw = b""
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                collector.take(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._server.serve_forever, name="collector", daemon=True)

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to know to send its traces here."""
        return {
            "ROBUTLER_OTEL": "true",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self._server.server_port}",
            "OTEL_EXPORTER_OTLP_COMPRESSION": "none",
            "OTEL_BSP_SCHEDULE_DELAY": "50",
        }

    def take(self, body: bytes) -> None:
        """Read one export."""
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        self.raw += body
        request = ExportTraceServiceRequest.FromString(body)
        self.spans += [
            Seen(
                name=span.name,
                trace_id=span.trace_id.hex(),
                span_id=span.span_id.hex(),
                parent_id=span.parent_span_id.hex(),
                attributes={each.key: _value(each.value) for each in span.attributes},
                failed=span.status.code == 2,
                events=len(span.events),
            )
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def tree(self, trace_id: str) -> dict[str, str]:
        """The spans of a trace by name, each with its parent's name; the roots are the server's callers' children."""
        own = [span for span in self.spans if span.trace_id == trace_id]
        names = {span.span_id: span.name for span in own}
        return {span.name: names.get(span.parent_id, span.parent_id) for span in own}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(each) for each in value.array_value.values]
    return getattr(value, kind)
