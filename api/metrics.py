"""What the edge counts. Labels are bounded: routes by name, never by path, and nothing about who asked."""

from functools import cache

from prometheus_client import Counter, Gauge, Histogram

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_CLOSING_CODES = frozenset({1000, 1001, 1003, 1005, 1006, 1009, 1011, 1012, 4401, 4408, 4429})
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_requests = Counter("robutler_http_requests", "Answers by method, route and status.", ("method", "route", "status"))
_duration = Histogram(
    "robutler_http_request_duration_seconds", "From a request to the end of its answer.", ("route",), buckets=_SECONDS
)
_agent_requests = Counter("robutler_agent_requests", "Completions that reached an agent.", ("stream",))
_agent_errors = Counter("robutler_agent_errors", "Completions that failed, by the error's code.", ("error_type",))
_limits_exceeded = Counter("robutler_rate_limit_exceeded", "Requests refused, by the limit they met.", ("limit",))

in_progress = Gauge(
    "robutler_http_requests_in_progress", "Requests not yet answered whole.", multiprocess_mode="livesum"
)
sockets = Gauge("robutler_sockets_open", "WebSockets that are open.", multiprocess_mode="livesum")
_sockets_closed = Counter("robutler_sockets_closed", "WebSockets that were closed, by their code.", ("code",))
first_chunk = Histogram(
    "robutler_time_to_first_chunk_seconds", "From a request to the first piece of its stream.", buckets=_SECONDS
)
overhead = Histogram(
    "robutler_overhead_seconds",
    "Our own part of the time to an answer, or to the first piece of a stream: without waiting for models and tools.",
    buckets=_SECONDS,
)


def answered(*, method: str, route: str, status: int, seconds: float) -> None:
    """Count one finished request."""
    _answers(known(method), route, status).inc()
    _durations(route).observe(seconds)


def known(method: str) -> str:
    """The method if it is one of HTTP's, else that it is another: clients may make up their own."""
    return method if method in _METHODS else "other"


@cache
def agent_requests(*, stream: bool) -> Counter:
    """The counter of completions, streamed or whole."""
    return _agent_requests.labels(str(stream).lower())


@cache
def agent_errors(code: str) -> Counter:
    """The counter of completions that failed with this code."""
    return _agent_errors.labels(code)


def sockets_closed(code: int | None) -> Counter:
    """The counter of sockets that were closed with this code; those that nobody knows are counted as one."""
    return _sockets_closed.labels(str(code) if code in _CLOSING_CODES else "other")


@cache
def limit_exceeded(limit: str) -> Counter:
    """The counter of requests that met this limit; `limit` is its name, one of a few."""
    return _limits_exceeded.labels(limit)


@cache
def _answers(method: str, route: str, status: int) -> Counter:
    return _requests.labels(method, route, str(status))


@cache
def _durations(route: str) -> Histogram:
    return _duration.labels(route)
