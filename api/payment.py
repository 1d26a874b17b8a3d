"""Payment tokens at the edge: read from their header, refused in the contract's words."""

import base64
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from api.problems import Problem
from billing import errors as billing
from tenants.secret import Secret

HEADER: Final = "X-Payment-Token"
ACCEPTS: Final = ({"scheme": "token", "network": "robutler", "asset": "USD", "header": HEADER},)
"""What pays, in the words of x402."""

_CODES: Final[Mapping[type[billing.TokenRefused], str]] = {
    billing.TokenInvalid: "payment_token_invalid",
    billing.TokenExpired: "payment_token_expired",
    billing.TokenRevoked: "payment_token_revoked",
    billing.TokenWrongAudience: "payment_token_wrong_audience",
    billing.TokenDepthExceeded: "payment_token_depth_exceeded",
    billing.TokenCapExceeded: "payment_token_cap_exceeded",
}
_HOLDS: Final[Mapping[type[billing.BillingError], tuple[int, str, str, str]]] = {
    billing.HoldNotFound: (
        404, "invalid_request_error", "hold_not_found", "There is no such hold, or it is not this organization's."
    ),
    billing.HoldClosed: (409, "conflict_error", "hold_closed", "The hold has ended: it neither grows nor ends again."),
    billing.HoldConflict: (409, "conflict_error", "id_taken", "This id names something else already. Choose another."),
    billing.AlreadyCaptured: (
        409, "conflict_error", "already_captured", "Another amount was taken of this hold before."
    ),
    billing.CaptureExceedsHold: (
        400, "invalid_request_error", "capture_exceeds_hold",
        "More is asked for than the hold reserves. Extend it first, or take less.",
    ),
}  # fmt: skip


def token_in(headers: Mapping[bytes, bytes]) -> Secret | None:
    """The token that a request brings, whatever it is."""
    given = headers.get(HEADER.lower().encode())
    return None if given is None else Secret(given.decode("latin-1"))


def refused_token(error: billing.TokenRefused) -> Problem:
    """A token does not pay: nobody need try again with it."""
    return Problem(
        status=402,
        type="payment_required",
        code=_CODES[type(error)],
        message=str(error),
        metadata={"limit_source": "payment_token", **_details(error), "remedy": "another_token"},
        should_retry=False,
    )


def missing_token(error: billing.TokenRequired) -> Problem:
    """Only a token pays for this; what is taken is told in the words of x402 as well."""
    accepted = base64.b64encode(msgspec.json.encode({"x402Version": 2, "accepts": ACCEPTS}))
    return Problem(
        status=402,
        type="payment_required",
        code="payment_token_required",
        message=str(error),
        metadata={"accepts": ACCEPTS},
        should_retry=False,
        extra_headers=((b"payment-required", accepted),),
    )


def refused_hold(error: billing.BillingError) -> Problem:
    """What is reserved of a token cannot be ended, or grow, like this."""
    status, type, code, message = _HOLDS[_kind_of(error)]
    return Problem(status=status, type=type, code=code, message=message, should_retry=False)


def _kind_of(error: billing.BillingError) -> "type[billing.BillingError]":
    return next(kind for kind in _HOLDS if isinstance(error, kind))


def _details(error: billing.TokenRefused) -> dict[str, Any]:
    told: dict[str, Any] = {"payment_token": error.prefix} if error.prefix else {}
    match error:
        case billing.TokenDepthExceeded():
            told["max_depth"] = error.most_depth
        case billing.TokenCapExceeded():
            told["required_nanos"] = str(error.required_nanos)
            if error.available_nanos is not None:
                told["available_nanos"] = str(error.available_nanos)
    return told
