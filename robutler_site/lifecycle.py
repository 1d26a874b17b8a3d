"""What a web process does once before its first request and once after its last."""

import asyncio
import gc

from django.conf import settings

import outbound
from agents.services import runs
from api import components, drain, limits
from billing import ledger
from robutler_site import gauges, scraping, tracing, vitals
from skills.sdk import patience
from tenants import notify
from tenants.services import write_uses
from tenants.threads import in_thread

_COLLECT_AFTER = (20_000, 20, 50)


class _State:
    is_started = False
    gauges: "asyncio.Task[None] | None" = None


def is_started() -> bool:
    """Whether this process is ready to be asked."""
    return _State.is_started


async def start() -> None:
    """Open the way out, hear of changes, and be ready to leave in good order."""
    _State.is_started = True
    tracing.start()
    outbound.configure(allow=settings.ROBUTLER.outbound_allow, ports=settings.ROBUTLER.outbound_ports)
    patience.configure(_patience())
    notify.start_listener()
    ledger.start()
    if url := settings.ROBUTLER.redis_url:
        limits.share(url, processes=settings.ROBUTLER.web_processes, timeout_s=settings.ROBUTLER.redis_timeout_s)
    drain.on_signals(_finish_runs, runs.stop_all)
    components.watch(vitals.PARTS, vitals.states)
    scraping.serve_on_own_port()
    _State.gauges = asyncio.create_task(gauges.keep_current(), name="gauges")
    # What stands now stays: the collector need not walk it, nor look at every 700 new objects of a busy process.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT_AFTER)


async def stop() -> None:
    """Let what is in progress end, write everything down, and close what is open."""
    drain.begin()
    await _finish_runs()
    await in_thread(ledger.drain)
    await in_thread(write_uses)
    await limits.stop_sharing()
    await outbound.close_all()
    if _State.gauges is not None:
        _State.gauges.cancel()
    await in_thread(notify.stop_listener)
    await asyncio.to_thread(tracing.stop)


def _patience() -> patience.Patience:
    known = settings.ROBUTLER
    return patience.Patience(
        failures=known.model_failures,
        within_s=known.model_failures_within_s,
        rest_s=known.model_rest_s,
        refused_rest_s=known.model_refused_rest_s,
        retry_percent=known.model_retry_percent,
        retries_spare=known.model_retries_spare,
        routes=known.model_routes,
    )


async def _finish_runs() -> None:
    await runs.drain(settings.ROBUTLER.drain_s)
