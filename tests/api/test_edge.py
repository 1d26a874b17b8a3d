"""What every completion gets from the edge: ids, keys, limits, honest errors."""

import json
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from tenants.limits import Limits
from tests import make
from tests.api.client import HELLO, Answer, ApiClient, raw, received

COMPLETIONS = "/v1/chat/completions"
Scripted = Callable[..., str]


def bearer(client: ApiClient, authorization: str) -> Answer:
    headers = {"Authorization": authorization, "Content-Type": "application/json"}
    return client.request("POST", COMPLETIONS, content=json.dumps(HELLO).encode(), headers=headers)


# --- keys -------------------------------------------------------------------------------------------------------------


def test_no_key_is_a_401_that_says_how_to_send_one(stranger: ApiClient) -> None:
    answer = stranger.post(COMPLETIONS, HELLO)

    assert answer.code == (401, "authentication_error", "missing_api_key")
    assert answer.error["message"].startswith("Incorrect API key provided")
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("secret", ["' UNION SELECT 1--", "rb_live_abc", "x" * 10_000])
def test_a_wrong_key_is_refused_and_never_echoed(stranger: ApiClient, secret: str) -> None:
    answer = bearer(stranger, f"Bearer {secret}")

    assert answer.code == (401, "authentication_error", "invalid_api_key")
    assert answer.error["message"].startswith("Incorrect API key provided")
    assert secret.encode() not in answer.body


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_may_be_in_any_case(stranger: ApiClient, acme: Any, greeter: str, scheme: str) -> None:
    make.wallet(acme, 1_000_000)
    headers = {"Authorization": f"{scheme} {make.key(acme)}"}

    answer = stranger.request(
        "POST", f"/{greeter}/chat/completions", content=json.dumps(HELLO).encode(), headers=headers
    )

    assert answer.status == 200


def test_a_key_that_is_no_text_is_refused(stranger: ApiClient) -> None:
    head = f"POST {COMPLETIONS} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer ".encode()

    with raw(stranger.base_url, head + b"\xff\xfe\r\n\r\n") as connection:
        answer = b"".join(received(connection))

    assert answer.startswith(b"HTTP/1.1 401")


@pytest.mark.parametrize("form", ["Bearer  {}", "Bearer\t{}", "Bearer {}x", "Basic {}", "{}", "Bearer"])
def test_other_forms_of_the_header_are_refused(stranger: ApiClient, acme: Any, form: str) -> None:
    answer = bearer(stranger, form.format(make.key(acme)))

    assert answer.code[0] == 401


def test_unknown_and_revoked_keys_look_the_same(stranger: ApiClient, acme: Any) -> None:
    from tenants.context import organization_context
    from tenants.models import ApiKey
    from tenants.services import revoke_key

    key = make.key(acme)
    with organization_context(acme.id):
        revoke_key(ApiKey.objects.get(public_id=key.split("_")[2]))
    revoked = bearer(stranger, f"Bearer {key}")
    unknown = bearer(stranger, "Bearer rb_live_000000000000_0000000000")

    assert (revoked.status, revoked.body) == (unknown.status, unknown.body)


def test_an_expired_key_says_so(stranger: ApiClient, acme: Any) -> None:
    key = make.key(acme, expires_at=timezone.now() + timedelta(seconds=0.2))
    time.sleep(0.3)

    answer = bearer(stranger, f"Bearer {key}")

    assert answer.code == (401, "authentication_error", "expired_api_key")


def test_a_key_without_the_permission_is_refused(stranger: ApiClient, acme: Any) -> None:
    answer = bearer(stranger, f"Bearer {make.key(acme, permissions=['agents:read'])}")

    assert answer.code == (403, "permission_error", "insufficient_scope")


# --- ids and headers --------------------------------------------------------------------------------------------------


def test_a_sensible_request_id_is_kept(acme_client: ApiClient, greeter: str) -> None:
    answer = acme_client.post(f"/{greeter}/chat/completions", HELLO, X_Request_ID="mine-1")

    assert answer.headers["x-request-id"] == "mine-1"
    assert int(answer.headers["openai-processing-ms"]) >= 0
    assert answer.headers["openai-version"]


@pytest.mark.parametrize("given", ["", "x" * 129, "a b", 'a"b'])
def test_another_request_id_is_replaced(acme_client: ApiClient, given: str) -> None:
    answer = acme_client.post(COMPLETIONS, HELLO, X_Request_ID=given)

    assert answer.headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
def test_another_method_is_refused_with_those_allowed(acme_client: ApiClient, method: str) -> None:
    answer = acme_client.request(method, COMPLETIONS)

    assert answer.status == 405
    assert "POST" in answer.headers["allow"]


# --- bodies -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind", ["application/json", "application/json; charset=utf-8", "application/vnd.x+json", None]
)
def test_json_by_any_of_its_names_is_taken(acme_client: ApiClient, greeter: str, kind: str | None) -> None:
    headers = {"Content-Type": kind} if kind else {}
    content = json.dumps({"model": greeter, **HELLO}).encode()

    assert acme_client.request("POST", COMPLETIONS, content=content, headers=headers).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
def test_anything_else_is_an_unsupported_media_type(acme_client: ApiClient, headers: dict[str, str]) -> None:
    answer = acme_client.request("POST", COMPLETIONS, content=b"{}", headers=headers)

    assert answer.code == (415, "invalid_request_error", "unsupported_media_type")


def test_a_body_that_says_it_is_too_large_is_refused_unread(acme_client: ApiClient) -> None:
    key = acme_client.http.headers["Authorization"]
    head = f"POST {COMPLETIONS} HTTP/1.1\r\nHost: x\r\nAuthorization: {key}\r\nContent-Length: 314572800\r\n\r\n"

    with raw(acme_client.base_url, head.encode() + b" " * 1000) as connection:
        answer = b"".join(received(connection))

    assert answer.startswith(b"HTTP/1.1 413")
    assert b"request_too_large" in answer
    assert b"connection: close" in answer.lower()


def test_a_body_that_turns_out_too_large_is_refused(acme_client: ApiClient, settings: Any) -> None:
    settings.ROBUTLER = settings.ROBUTLER.model_copy(update={"body_limit_bytes": 2000})

    def pieces() -> Any:
        yield b"{" + b" " * 1500
        yield b" " * 1500 + b"}"

    response = acme_client.http.post(COMPLETIONS, content=pieces(), headers={"Content-Type": "application/json"})

    assert response.status_code == 413


def test_a_body_that_does_not_come_is_given_up(acme_client: ApiClient, settings: Any) -> None:
    settings.ROBUTLER = settings.ROBUTLER.model_copy(update={"body_s": 0.2})
    key = acme_client.http.headers["Authorization"]
    head = f"POST {COMPLETIONS} HTTP/1.1\r\nHost: x\r\nAuthorization: {key}\r\nContent-Length: 10\r\n\r\n"

    with raw(acme_client.base_url, head.encode() + b"{") as connection:
        answer = connection.recv(65_536)

    assert answer.startswith(b"HTTP/1.1 408")
    assert b"request_timeout" in answer


def test_a_client_that_leaves_while_sending_is_let_go(acme_client: ApiClient, greeter: str) -> None:
    key = acme_client.http.headers["Authorization"]
    head = f"POST {COMPLETIONS} HTTP/1.1\r\nHost: x\r\nAuthorization: {key}\r\nContent-Length: 10\r\n\r\n"

    with raw(acme_client.base_url, head.encode() + b"{"):
        pass

    assert acme_client.post(f"/{greeter}/chat/completions", HELLO).status == 200


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        (b'{"model":', "invalid_json", None),
        (b"[" * 100_000, "invalid_json", None),
        (b'{"messages":' + b"[" * 100_000, "invalid_json", None),
        (b'{"messages":[],"temperature":NaN}', "invalid_value", "temperature"),
        (b'{"messages":[{"role":"user","content":"x"}],"api_base":"http://x"}', "unknown_parameter", "api_base"),
    ],
)
def test_a_body_that_is_wrong_is_a_400_that_names_what(
    acme_client: ApiClient, body: bytes, code: str, param: str | None
) -> None:
    answer = acme_client.post(COMPLETIONS, body)

    assert answer.code == (400, "invalid_request_error", code)
    assert answer.error["param"] == param


# --- money and models -------------------------------------------------------------------------------------------------


def test_an_empty_wallet_is_a_402_that_nobody_retries(server: Any, globex: Any, acme: Any) -> None:
    address = f"{acme.slug}/{make.published(acme, visibility='public', price_per_run_nanos=1_000_000).slug}"
    make.wallet(globex, 0)

    with ApiClient(server.url, make.key(globex)) as client:
        answer = client.post(COMPLETIONS, {"model": address, **HELLO})

    assert answer.code == (402, "insufficient_quota", "credit_balance_exhausted")
    assert answer.headers["x-should-retry"] == "false"
    assert answer.error["metadata"]["limit_source"] == "wallet"
    assert answer.error["metadata"]["available_nanos"] == "0"
    assert int(answer.error["metadata"]["required_nanos"]) >= 1_000_000


@pytest.mark.parametrize(
    ("error", "code", "retry_after"),
    [
        ("rejected", (400, "invalid_request_error", "invalid_value"), None),
        ("unauthorized", (502, "upstream_error", "upstream_failed"), None),
        ("rate_limited", (429, "rate_limit_error", "rate_limit_exceeded"), "7"),
        ("overloaded", (503, "upstream_error", "upstream_overloaded"), "7"),
        ("unreachable", (502, "upstream_error", "upstream_failed"), "7"),
        ("timeout", (504, "timeout_error", "upstream_timeout"), None),
    ],
)
def test_a_model_that_fails_has_an_honest_status(
    acme_client: ApiClient, scripted: Scripted, error: str, code: Any, retry_after: str | None
) -> None:
    slug = scripted({"error": error, "retry_after_s": 6.5})

    whole = acme_client.post(COMPLETIONS, {"model": slug, **HELLO})
    stream = acme_client.post(COMPLETIONS, {"model": slug, "stream": True, **HELLO})

    assert whole.code == stream.code == code
    assert whole.headers.get("retry-after") == stream.headers.get("retry-after") == retry_after


def test_a_model_that_fails_in_the_middle_ends_the_stream_with_an_error(
    acme_client: ApiClient, scripted: Scripted
) -> None:
    slug = scripted({"text": "one two three four", "error": "unreachable", "error_after": 2})

    stream = acme_client.stream(COMPLETIONS, {"model": slug, **HELLO})
    whole = acme_client.post(COMPLETIONS, {"model": slug, **HELLO})

    assert stream.status == 200
    assert stream.chunks[-1]["error"]["code"] == "upstream_failed"
    assert stream.frames[-1] == "data: [DONE]"
    assert all(choice["finish_reason"] is None for c in stream.chunks[:-1] for choice in c["choices"])
    assert whole.code == (502, "upstream_error", "upstream_failed")


def test_a_run_that_takes_too_long_is_a_504(acme_client: ApiClient, scripted: Scripted) -> None:
    slug = scripted({"text": "late", "delay_ms": 20_000}, limits={"seconds": 1})

    answer = acme_client.post(COMPLETIONS, {"model": slug, **HELLO})

    assert answer.code == (504, "timeout_error", "upstream_timeout")


def test_a_key_may_have_only_so_many_requests_at_once(server: Any, acme: Any, scripted: Scripted) -> None:
    make.wallet(acme, 1_000_000_000)
    slug = scripted({"text": "slow " * 50}, chunk_ms=20)

    with ApiClient(server.url, make.key(acme, limits=Limits(max_parallel=1))) as client, ApiClient(server.url) as other:
        other.http.headers = client.http.headers
        with client.http.stream("POST", COMPLETIONS, json={"model": slug, "stream": True, **HELLO}) as response:
            pieces = response.iter_bytes()
            next(pieces)
            refused = other.post(COMPLETIONS, {"model": slug, **HELLO})
            assert b"[DONE]" in b"".join(pieces)
        later = other.post(COMPLETIONS, HELLO)

    assert refused.code == (429, "rate_limit_error", "too_many_concurrent_requests")
    assert refused.headers["retry-after"] == "1"
    assert refused.error["retry_after"] == 1
    assert later.status == 400


def test_too_many_runs_are_a_503(acme_client: ApiClient, greeter: str, settings: Any) -> None:
    settings.ROBUTLER = settings.ROBUTLER.model_copy(update={"max_parallel_runs": 0, "run_wait_s": 0.1})

    answer = acme_client.post(COMPLETIONS, {"model": greeter, **HELLO})

    assert answer.code == (503, "server_error", "service_unavailable")
    assert answer.headers["retry-after"] == "1"


def test_a_fault_of_ours_says_nothing_of_itself(
    acme_client: ApiClient, greeter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(**_: object) -> None:
        raise RuntimeError('SECRET in File "/srv/x.py"')

    monkeypatch.setattr("agents.services.runs.start_run", broken)

    answer = acme_client.post(COMPLETIONS, {"model": greeter, **HELLO})

    assert answer.code == (500, "server_error", "internal_error")
    assert b"SECRET" not in answer.body
    assert b"File" not in answer.body
