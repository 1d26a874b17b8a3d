"""A problem: what a client is told when its request cannot be answered, in OpenAI's shape."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from django.http import HttpResponse

Headers = list[tuple[bytes, bytes]]
RETRY_SOON_S = 1


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One error answer: an honest status and OpenAI's four fields, with what a machine needs to react.

    `should_retry` is told to SDKs as `x-should-retry`; None leaves them their own judgement.
    """

    status: int
    type: str
    code: str
    message: str
    param: str | None = None
    metadata: Mapping[str, Any] | None = None
    retry_after_s: int | None = None
    should_retry: bool | None = None
    extra_headers: Sequence[tuple[bytes, bytes]] = ()


class InvalidRequest(Exception):
    """The request itself is wrong; `param` names the field, the message says what to do."""

    def __init__(self, message: str, *, code: str = "invalid_value", param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.param = param


class Refused(Exception):
    """The edge refuses a request for a reason of HTTP's own: too large, too slow, too many, the wrong method."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.code)
        self.problem = problem


def unavailable(message: str, *, code: str = "service_unavailable") -> Problem:
    """What cannot be done now, and soon can."""
    return Problem(status=503, type="server_error", code=code, message=message, retry_after_s=RETRY_SOON_S)


def body_of(problem: Problem) -> bytes:
    """The problem as JSON. A 404 says its words twice, for clients that read `detail`."""
    error: dict[str, Any] = {
        "message": problem.message,
        "type": problem.type,
        "param": problem.param,
        "code": problem.code,
    }
    if problem.metadata is not None:
        error["metadata"] = problem.metadata
    if problem.retry_after_s is not None:
        error["retry_after"] = problem.retry_after_s
    body: dict[str, Any] = {"error": error}
    if problem.status == 404:
        body["detail"] = problem.message
    return msgspec.json.encode(body)


def headers_of(problem: Problem) -> Headers:
    """The headers that belong to a problem."""
    headers: Headers = list(problem.extra_headers)
    if problem.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if problem.retry_after_s is not None:
        headers.append((b"retry-after", b"%d" % problem.retry_after_s))
    if problem.should_retry is not None:
        headers.append((b"x-should-retry", b"true" if problem.should_retry else b"false"))
    return headers


def refused(problem: Problem) -> HttpResponse:
    """A problem as a view of Django's answers it."""
    headers = {name.decode(): value.decode() for name, value in headers_of(problem)}
    return HttpResponse(body_of(problem), status=problem.status, content_type="application/json", headers=headers)
