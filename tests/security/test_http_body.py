"""Bodies that are too large, too slow, packed, or two things at once."""

import gzip
import json
import socket
import threading
import time
from collections.abc import Generator
from contextlib import ExitStack

import httpx
import pytest

from tests.api.client import ApiClient
from tests.live.cast import Cast
from tests.live.conftest import Start
from tests.live.server import LiveServer
from tests.live.wire import COMPLETIONS, Line, error_of, head, line, resident_bytes, status_of

LIMIT_BYTES = 20_000_000
SLACK_BYTES = 10_000_000
"""What may lie between two processes: the system's buffers on both sides."""
PIECE = b" " * 1_000_000
HI = [{"role": "user", "content": "hi"}]


@pytest.fixture(scope="module")
def hasty(start: Start) -> Generator[LiveServer]:
    """A server that waits a second for a head."""
    with start(ROBUTLER_HEAD_S="1") as running:
        yield running


def sent_until_refused(connection: Line, total: int, *, chunked: bool) -> int:
    """How many bytes of a body went out before nobody took any more."""
    sent = 0
    try:
        while sent < total:
            connection.send(b"%x\r\n%b\r\n" % (len(PIECE), PIECE) if chunked else PIECE)
            sent += len(PIECE)
    except OSError:
        pass
    return sent


@pytest.mark.parametrize("chunked", [False, True])
def test_bd_01_a_body_of_300_mb(live: LiveServer, cast: Cast, *, chunked: bool) -> None:
    said = {"Transfer_Encoding": "chunked"} if chunked else {"Content_Length": "314572800"}
    before = resident_bytes(live)

    with line(live) as connection:
        connection.send(head(Authorization=f"Bearer {cast.globex_key}", Content_Type="application/json", **said))
        sent = sent_until_refused(connection, 314_572_800, chunked=chunked)
        answer = connection.received()
    grown = resident_bytes(live) - before

    assert status_of(answer) == 413
    assert (error_of(answer)["type"], error_of(answer)["code"]) == ("invalid_request_error", "request_too_large")
    assert sent <= LIMIT_BYTES + SLACK_BYTES
    assert grown < 16_000_000 if not chunked else grown < 2 * LIMIT_BYTES + 16_000_000


@pytest.mark.parametrize("megabytes", [21, 38, 300])
def test_bd_01_clients_hear_why(live: LiveServer, cast: Cast, megabytes: int) -> None:
    def pieces() -> Generator[bytes]:
        yield from (PIECE for _ in range(megabytes))

    headers = {"Authorization": f"Bearer {cast.globex_key}", "Content-Type": "application/json"}
    announced = {**headers, "Content-Length": str(megabytes * len(PIECE))}

    answers = [httpx.post(live.url + COMPLETIONS, content=pieces(), headers=said) for said in (headers, announced)]

    assert [answer.status_code for answer in answers] == [413, 413]
    assert {answer.json()["error"]["code"] for answer in answers} == {"request_too_large"}


def test_bd_01_a_body_below_twice_the_limit_may_be_sent_to_its_end(live: LiveServer, cast: Cast) -> None:
    """So even a client that listens only then hears the answer."""
    length = 2 * LIMIT_BYTES - len(PIECE)

    with line(live) as connection:
        connection.send(head(Authorization=f"Bearer {cast.globex_key}", Content_Length=str(length)))
        sent = sent_until_refused(connection, length, chunked=False)
        answer = connection.received()

    assert sent == length
    assert status_of(answer) == 413


def test_bd_01_nobody_without_a_key_is_listened_to_for_long(live: LiveServer) -> None:
    with line(live) as connection:
        connection.send(head("/v1/models", Content_Length="314572800"))
        sent = sent_until_refused(connection, 314_572_800, chunked=False)
        answer = connection.received()

    assert status_of(answer) == 413
    assert sent <= LIMIT_BYTES + SLACK_BYTES


def test_bd_04_a_length_and_chunks_together(live: LiveServer) -> None:
    smuggled = "0\r\n\r\nGET /live HTTP/1.1\r\nHost: x\r\n\r\n"

    with line(live) as connection:
        connection.send(head(Content_Length="5", Transfer_Encoding="chunked") + smuggled)
        answer = connection.received()

    assert status_of(answer) == 400
    assert answer.count(b"HTTP/1.1") == 1


def test_bd_13_a_million_small_keys(live: LiveServer, cast: Cast) -> None:
    """Far too many for any use, in a body of a size that is allowed: refused unparsed, while others are answered."""
    body = json.dumps(
        {"model": "x", "messages": HI, "metadata": {f"k{number}": "v" for number in range(1_000_000)}},
        separators=(",", ":"),
    ).encode()
    headers = {"Authorization": f"Bearer {cast.globex_key}", "Content-Type": "application/json"}
    waits: list[float] = []
    done = threading.Event()

    def probe() -> None:
        with httpx.Client(base_url=live.url) as client:
            while not (done.is_set() and waits):
                since = time.monotonic()
                assert client.get("/live").status_code == 200
                waits.append(time.monotonic() - since)

    prober = threading.Thread(target=probe)
    prober.start()
    answer = httpx.post(live.url + COMPLETIONS, content=body, headers=headers, timeout=30)
    done.set()
    prober.join()

    assert len(body) > 12_000_000
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "request_too_large"
    assert max(waits) < 2


def test_bd_16_a_gzip_bomb(live: LiveServer, cast: Cast) -> None:
    bomb = gzip.compress(b" " * 100_000_000)
    headers = {
        "Authorization": f"Bearer {cast.globex_key}",
        "Content-Type": "application/json",
        "Content-Encoding": "gzip",
    }
    before = resident_bytes(live)

    answers = [httpx.post(live.url + path, content=bomb, headers=headers) for path in (COMPLETIONS, "/v1/models")]

    assert [answer.status_code for answer in answers] == [415, 415]
    assert {answer.json()["error"]["code"] for answer in answers} == {"unsupported_media_type"}
    assert resident_bytes(live) - before < 16_000_000


def test_bd_20_headers_that_trickle_in(hasty: LiveServer) -> None:
    with line(hasty) as connection:
        connection.send(f"POST {COMPLETIONS} HTTP/1.1\r\n")
        fields = 0
        while not (answer := _heard(connection)) and fields < 100:
            connection.send(f"X-{fields}: slow\r\n")
            fields += 1
            time.sleep(0.15)
        rest = connection.received()

    assert status_of(answer + rest) == 408
    assert fields < 100


@pytest.mark.parametrize("crowd", [100, pytest.param(2_000, marks=pytest.mark.prove)])
def test_bd_20_many_of_them_keep_nobody_waiting(live: LiveServer, crowd: int) -> None:
    with ExitStack() as stack, httpx.Client(base_url=live.url) as client:
        for _ in range(crowd):
            stack.enter_context(line(live)).send("POST /v1/chat/completions HTTP/1.1\r\nX-Slow: ")
        since = time.monotonic()
        statuses = {client.get("/ready").status_code for _ in range(50)}
        each_s = (time.monotonic() - since) / 50

    assert statuses == {200}
    assert each_s < 1


def _heard(connection: Line) -> bytes:
    """What has come so far, without waiting."""
    connection.socket.setblocking(False)
    try:
        return connection.socket.recv(65_536)
    except BlockingIOError:
        return b""
    finally:
        connection.socket.settimeout(30)


def test_a_body_may_come_a_byte_at_a_time(live: LiveServer, cast: Cast) -> None:
    body = b'{"model":"nobody","messages":[{"role":"user","content":"hi"}]}'

    with line(live) as connection:
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.send(head(Authorization=f"Bearer {cast.globex_key}", Content_Length=str(len(body))))
        for byte in body:
            connection.send(bytes([byte]))
        answer = connection.answer()

    assert error_of(answer)["code"] == "model_not_found"


INVALID = (400, "invalid_request_error")


def test_bd_05_half_a_json(acme_client: ApiClient) -> None:
    answer = acme_client.post(COMPLETIONS, b'{"model":')

    assert answer.code == (*INVALID, "invalid_json")


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"messages":' + b"[" * 100_000, b'{"a":' * 100_000])
def test_bd_06_json_that_never_ends_its_beginning(
    acme_client: ApiClient, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    answer = acme_client.post(COMPLETIONS, body)

    assert answer.code == (*INVALID, "invalid_json")
    assert "RecursionError" not in caplog.text


@pytest.mark.parametrize("name", ["max_tokens", "seed", "top_k"])
def test_bd_08_an_integer_of_5000_digits(acme_client: ApiClient, greeter: str, name: str) -> None:
    body = b'{"model":"%b","messages":[{"role":"user","content":"hi"}],"%b":%b}' % (
        greeter.encode(), name.encode(), b"1" * 5_000,
    )  # fmt: skip

    assert acme_client.post(COMPLETIONS, body).code == (*INVALID, "invalid_json")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
@pytest.mark.parametrize("name", ["temperature", "top_k"])
def test_bd_09_numbers_that_are_none(acme_client: ApiClient, greeter: str, name: str, number: str) -> None:
    body = f'{{"model":"{greeter}","messages":[{{"role":"user","content":"hi"}}],"{name}":{number}}}'

    answer = acme_client.post(COMPLETIONS, body.encode())

    assert answer.code == (*INVALID, "invalid_value")
    assert answer.error["param"] == name


def test_bd_11_half_a_character(acme_client: ApiClient, greeter: str) -> None:
    body = f'{{"model":"{greeter}","messages":[{{"role":"user","content":"\\ud800"}}]}}'

    answer = acme_client.post(COMPLETIONS, body.encode())

    assert answer.code == (*INVALID, "invalid_value")
    assert answer.error["param"] == "messages"


@pytest.mark.parametrize(
    "kind", ["text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "text/html"]
)
def test_bd_15_what_a_form_of_another_site_can_send(acme_client: ApiClient, greeter: str, kind: str) -> None:
    body = json.dumps({"model": greeter, "messages": HI}).encode()

    answer = acme_client.request("POST", COMPLETIONS, content=body, headers={"Content-Type": kind})

    assert answer.code == (415, "invalid_request_error", "unsupported_media_type")
