"""GET /metrics: what all processes of this machine have counted, for those who may know."""

import asyncio
import errno
from collections.abc import Iterator

import prometheus_client
import structlog
from asgiref.typing import ASGIReceiveCallable, ASGISendCallable, HTTPScope
from django.conf import settings
from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from api.edge import Exchange, method_not_allowed, serve
from api.operators import refuse_others
from robutler_site import gauges, metrics_files
from robutler_site.vitals import watch

_KIND = prometheus_client.CONTENT_TYPE_PLAIN_0_0_4.encode()

_log = structlog.get_logger("robutler.metrics")


async def metrics(scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """Answer GET /metrics."""
    await serve(Exchange(scope, receive, send), _answer, route="metrics")


def serve_on_own_port() -> None:
    """Serve the same, to whoever reaches it, at ROBUTLER_METRICS_PORT if that is set."""
    environment = settings.ROBUTLER
    if not environment.metrics_port:
        return
    registry = CollectorRegistry()
    registry.register(Everything())
    try:
        prometheus_client.start_http_server(environment.metrics_port, environment.metrics_host, registry)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        _log.warning("metrics port is taken", port=environment.metrics_port, hint="another process may be serving it")


class Everything(Collector):
    """What was counted, here or by all processes that count together, and the vital signs."""

    def collect(self) -> Iterator[Metric]:
        """Every metric there is."""
        gauges.write()
        if directory := metrics_files.directory():
            metrics_files.bury_gauges(directory)
            yield from MultiProcessCollector(None, str(directory)).collect()  # type: ignore[no-untyped-call]
        else:
            yield from REGISTRY.collect()
        yield from watch.collect()


async def _answer(exchange: Exchange) -> None:
    if exchange.scope["method"] not in ("GET", "HEAD"):
        raise method_not_allowed("GET", "HEAD")
    refuse_others(exchange)
    page = await asyncio.to_thread(prometheus_client.generate_latest, Everything())
    await exchange.answer(200, page, [(b"cache-control", b"no-store")], content_type=_KIND)
