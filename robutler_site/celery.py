"""Background work: the Celery application, its broker, queues and clock."""

import os
import warnings
from contextlib import AbstractContextManager, nullcontext
from inspect import signature
from typing import Any
from urllib.parse import quote, urlencode
from uuid import UUID

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "robutler_site.settings")

from celery import Celery, Task, signals
from celery.schedules import crontab
from django.conf import settings
from kombu.exceptions import OperationalError

from robutler_site import broker
from robutler_site.queues import SWEEP_SECONDS

RELAY_SECONDS = 5
ALERT_SECONDS = 10
CLOSE_RUNS_SECONDS = 60
CLOSE_MONTHS_SECONDS = 1_800
SEND_PAYOUTS_SECONDS = 60
PURGE_SECONDS = 300
SWEEP_TOOLS_SECONDS = 15
LOOK_SECONDS = 900
ROLLUP_SECONDS = 10
SWEEP_TOKENS_SECONDS = 10
GRANTS_SECONDS = 60
PAYMENTS_SECONDS = 300
SEAL_SECONDS = 300
CHECK_SECONDS = 60
CHECK_ALL_SECONDS = 3600
HARD_LIMIT_S = 360
SOFT_LIMIT_S = 330
# A message that a killed worker held comes back from Redis after this time; our own broker needs no such guess.
_SEND_PATIENCE = {"max_retries": 2, "interval_start": 0.1, "interval_step": 0.2, "interval_max": 0.5}
REDIS_VISIBILITY_S = HARD_LIMIT_S + 600


class TenantTask(Task):
    """A task that acts for the organization named by its argument `organization_id`, if it has one."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        from robutler_site import tracing

        organization_id = signature(self.run).bind(*args, **kwargs).arguments.get("organization_id")
        request = self.request
        with tracing.task(self.name, id=request.id or "", headers=request.headers or {}), _acting_for(organization_id):
            return self.run(*args, **kwargs)


def broker_url() -> str:
    """Return where tasks are queued: what is configured, else Redis, else the database."""
    environment = settings.ROBUTLER
    return environment.celery_broker_url or environment.redis_url or broker.url_of(_database_url())


def uses_own_broker() -> bool:
    """Whether tasks are queued in the database."""
    return broker_url().startswith(broker.SCHEME)


def configuration() -> dict[str, Any]:
    """Return Celery's settings; every task may run twice, none is lost, and none lasts for ever."""
    return {
        "broker_url": broker_url(),
        "broker_transport_options": {} if uses_own_broker() else _other_options(),
        "broker_connection_retry_on_startup": True,
        "broker_pool_limit": 4,
        "accept_content": ["json"],
        "task_serializer": "json",
        "event_serializer": "json",
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "task_ignore_result": True,
        "result_expires": None,
        "task_soft_time_limit": SOFT_LIMIT_S,
        "task_time_limit": HARD_LIMIT_S,
        "task_default_queue": "maintenance",
        "task_routes": {"billing.*": {"queue": "billing"}, "agents.*": {"queue": "tools"}},
        "task_default_priority": 5,
        "worker_prefetch_multiplier": 1,
        "worker_max_tasks_per_child": 1000,
        "worker_cancel_long_running_tasks_on_connection_loss": True,
        "worker_soft_shutdown_timeout": 30,
        # Our broker keeps delayed tasks in rows; of others they sit in the worker, which must give them back.
        "worker_enable_soft_shutdown_on_idle": not uses_own_broker(),
        "worker_send_task_events": False,
        "beat_scheduler": "django_celery_beat.schedulers:DatabaseScheduler",
        "beat_max_loop_interval": SWEEP_SECONDS,
        "beat_schedule": _schedule(),
        "timezone": "UTC",
    }


def send(task: str, *, queue: str, **arguments: str) -> None:
    """Queue a task by its name. Raises OSError when the broker cannot be reached soon."""
    try:
        app.send_task(task, kwargs=arguments, queue=queue, retry=True, retry_policy=_SEND_PATIENCE)
    except OperationalError as error:
        raise ConnectionError(str(error)) from error


def _schedule() -> dict[str, Any]:
    sweep = {
        "task": "billing.tasks.sweep_expired_holds",
        "schedule": SWEEP_SECONDS,
        # A sweep that could not run for a while is made good by the next one.
        "options": {"queue": "billing", "priority": 9, "expires": 6 * SWEEP_SECONDS},
    }
    return {
        "sweep-expired-holds": sweep,
        "refresh-rollups": _of_books("billing.tasks.refresh_rollups", ROLLUP_SECONDS),
        "seal-journal": _of_books("billing.tasks.seal_journal", SEAL_SECONDS),
        "check-invariants": _of_books("billing.tasks.check_invariants", CHECK_SECONDS, is_full=False),
        "check-all-invariants": _of_books("billing.tasks.check_invariants", CHECK_ALL_SECONDS, is_full=True),
        "reconcile-yesterday": _of_books("billing.tasks.reconcile_yesterday", crontab(hour=0, minute=40)),
        "relay-outbox": _of_books("billing.tasks.relay_outbox", RELAY_SECONDS),
        "raise-alerts": _of_books("billing.tasks.raise_alerts", ALERT_SECONDS),
        "look-after-payments": _of_books("billing.tasks.look_after_payments", PAYMENTS_SECONDS),
        "keep-grants": _of_books("billing.tasks.keep_grants", GRANTS_SECONDS),
        "end-overdue-tokens": _of_books("billing.tasks.end_overdue_tokens", SWEEP_TOKENS_SECONDS),
        "close-months": _of_books("billing.tasks.close_months", CLOSE_MONTHS_SECONDS),
        "send-payouts": _of_books("billing.tasks.send_payouts", SEND_PAYOUTS_SECONDS),
        "close-abandoned-runs": _housekeeping("agents.tasks.close_abandoned_runs", CLOSE_RUNS_SECONDS),
        "expire-approvals": _housekeeping("agents.tasks.expire_approvals", CLOSE_RUNS_SECONDS),
        "sweep-tool-executions": _housekeeping("agents.tasks.sweep_tool_executions", SWEEP_TOOLS_SECONDS),
        "look-at-mcp-servers": _housekeeping("agents.tasks.look_at_mcp_servers", LOOK_SECONDS),
        "purge-tool-executions": _housekeeping("agents.tasks.purge_tool_executions", CHECK_ALL_SECONDS),
        "purge-expired-items": _housekeeping("agents.tasks.purge_expired_items", PURGE_SECONDS),
    }


def _housekeeping(task: str, every_s: int) -> dict[str, Any]:
    return {"task": task, "schedule": every_s, "options": {"queue": "maintenance", "expires": every_s}}


def _of_books(task: str, when: int | crontab, **arguments: Any) -> dict[str, Any]:
    expires = when if isinstance(when, int) else CHECK_ALL_SECONDS
    options = {"queue": "billing", "priority": 5, "expires": expires}
    return {"task": task, "schedule": when, "kwargs": arguments, "options": options}


def _other_options() -> dict[str, Any]:
    # Redis gives unacknowledged tasks back only after all three of these; its defaults add up to minutes.
    return {
        "visibility_timeout": REDIS_VISIBILITY_S,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "queue_order_strategy": "priority",
    }


def _database_url() -> str:
    database = settings.DATABASES["default"]
    options = {name: value for name, value in database.get("OPTIONS", {}).items() if isinstance(value, str)}
    place = {"host": database["HOST"], "port": database["PORT"], **options}
    query = urlencode({name: value for name, value in place.items() if value})
    password = f":{quote(database['PASSWORD'], safe='')}" if database["PASSWORD"] else ""
    return f"postgresql://{quote(database['USER'], safe='')}{password}@/{quote(database['NAME'], safe='')}?{query}"


def _acting_for(organization_id: str | UUID | None) -> AbstractContextManager[None]:
    if organization_id is None:
        return nullcontext()
    from tenants.context import organization_context

    return organization_context(UUID(str(organization_id)))


def _leave_logging_alone(**_: Any) -> None:
    """Celery sets up logging unless somebody listens here; the settings have done so already, secrets left out."""


def _queue_in_trace(headers: dict[str, Any], **_: Any) -> None:
    from robutler_site import tracing

    tracing.carry(headers)


def _begin_process(**_: Any) -> None:
    """In each process of a worker's pool, after the fork."""
    import outbound
    from robutler_site import tracing

    tracing.start()
    outbound.configure(allow=settings.ROBUTLER.outbound_allow, ports=settings.ROBUTLER.outbound_ports)


def _end_process(**_: Any) -> None:
    from robutler_site import tracing

    tracing.stop()


def _begin_worker(sender: Any = None, **_: Any) -> None:
    from celery.concurrency.prefork import TaskPool as Processes

    from robutler_site import scraping

    if not isinstance(getattr(sender, "pool", None), Processes):
        _begin_process()

    scraping.serve_on_own_port()


# Whoever starts the platform as root knows that; what Celery fears of it is pickled messages, and ours are JSON.
warnings.filterwarnings("ignore", message=r"You're running the worker with superuser privileges", module="celery")
signals.setup_logging.connect(_leave_logging_alone)
signals.before_task_publish.connect(_queue_in_trace)
signals.worker_ready.connect(_begin_worker)
signals.worker_process_init.connect(_begin_process)
signals.worker_process_shutdown.connect(_end_process)
broker.register()
app = Celery("robutler", task_cls=TenantTask)
app.conf.update(configuration())
app.autodiscover_tasks()
