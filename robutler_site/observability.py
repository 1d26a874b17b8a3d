"""Logs: one line per event, JSON in production, and never a secret in any of them."""

import logging
import logging.config
import sys
import traceback
from typing import Any, Final

import structlog

from robutler_site.env import Environment
from skills.sdk import redaction
from skills.sdk.redaction import redact

_TALKATIVE: Final = ("aiohttp", "anthropic", "hpack", "httpcore", "httpx", "httpx2", "mcp", "openai", "urllib3")


def logging_for(environment: Environment) -> dict[str, Any]:
    """What `LOGGING` is set to."""
    redaction.hide(environment.secrets())
    as_json = environment.log_format == "json" or (environment.log_format == "auto" and environment.env == "production")
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": RedactingFormatter, "processors": _last_steps(as_json=as_json), **_FOREIGN}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": environment.log_level},
        "loggers": {
            "django.server": {"handlers": [], "propagate": True},
            "django.request": {"level": "ERROR"},
            "uvicorn.access": {"handlers": [], "propagate": False},
            # Below this level they tell what was asked of a model, and what it said.
            **{name: {"level": "WARNING"} for name in _TALKATIVE},
        },
    }


def configure(settings: dict[str, Any]) -> None:
    """Set up logging; Django calls this with `LOGGING`."""
    logging.setLogRecordFactory(_record)
    logging.captureWarnings(capture=True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_FIRST_STEPS,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    logging.config.dictConfig(settings)


class RedactingFormatter(structlog.stdlib.ProcessorFormatter):
    """Takes secrets out of the finished line, so that none slips through by way of a field or a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


def _record(*args: Any, **kwargs: Any) -> logging.LogRecord:
    """A log record without secrets, for handlers that are not ours: libraries bring their own."""
    record = logging.LogRecord(*args, **kwargs)
    if not isinstance(record.msg, str):
        return record  # an event of structlog's, on its way to our own formatter
    try:
        message = record.getMessage()
    except (TypeError, ValueError):  # a wrong format is reported by the handler
        return record
    cleaned = redact(message)
    if cleaned != message:
        record.msg, record.args = cleaned, ()
    if record.exc_info and record.exc_info[0] is not None:
        record.exc_text = redact("".join(traceback.format_exception(*record.exc_info)).rstrip("\n"))
    return record


_FIRST_STEPS: Final[tuple[Any, ...]] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
)
_FOREIGN: Final[dict[str, Any]] = {"foreign_pre_chain": _FIRST_STEPS}


def _last_steps(*, as_json: bool) -> list[Any]:
    if as_json:
        last: list[Any] = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        # The plain formatter: the default prints the local variables of each frame.
        last = [
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
        ]
    return [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last]
