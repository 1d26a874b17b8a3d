"""What the server takes of a connection: a head of some size, in time, and an answer that is read."""

from collections.abc import Generator
from contextlib import ExitStack

import httpx
import pytest

from tests.live.cast import Cast
from tests.live.conftest import Start
from tests.live.server import LiveServer
from tests.live.waiting import eventually
from tests.live.wire import completion, error_of, head, line, status_of

HEAD_S = 1.0


@pytest.fixture(scope="module")
def strict(start: Start) -> Generator[LiveServer]:
    """A server of little patience."""
    limits = {
        "ROBUTLER_HEAD_S": str(HEAD_S),
        "ROBUTLER_BODY_S": "1",
        "ROBUTLER_LINGER_S": "0.5",
        "ROBUTLER_IDLE_CONNECTION_S": "1",
        "ROBUTLER_WRITE_STALL_S": "1",
        "ROBUTLER_MAX_CONNECTIONS": "40",
    }
    with start(**limits) as running:
        yield running


# --- the head of a request --------------------------------------------------------------------------------------------


def test_a_head_of_the_largest_size_is_read(live: LiveServer) -> None:
    with line(live) as connection:
        connection.send(head("/live", method="GET", Connection="close", X_Long="x" * 16_000))
        answer = connection.received()

    assert status_of(answer) == 200


@pytest.mark.parametrize(
    "sent",
    [
        head("/live", method="GET", X_Long="x" * 16_384),
        head("/live?" + "x" * 16_384, method="GET"),
        head("/live", method="GET", **{f"X_{number}": "x" * 200 for number in range(90)}),
        "GET /live HTTP/1.1\r\nX-Endless: " + "x" * 200_000,
        "GET /live?" + "x" * 200_000,
        "GET /live HTTP/1.1\r\n" + "x" * 200_000,
    ],
    ids=["a value", "an address", "all together", "an endless value", "an endless address", "an endless name"],
)
def test_a_larger_one_is_refused(live: LiveServer, sent: str) -> None:
    with line(live) as connection:
        connection.send(sent)
        answer = connection.received()

    assert status_of(answer) == 431
    assert error_of(answer)["code"] == "headers_too_large"
    assert b"connection: close" in answer


def test_a_hundred_headers_are_read_and_no_more(live: LiveServer) -> None:
    def ask(count: int) -> int:
        with line(live) as connection:
            connection.send(head("/live", method="GET", Connection="close", **{f"X_{n}": "1" for n in range(count)}))
            return status_of(connection.received())

    assert (ask(98), ask(99)) == (200, 431)


def test_what_follows_a_chunked_body_is_bounded_too(live: LiveServer, cast: Cast) -> None:
    opening = head(Authorization=f"Bearer {cast.globex_key}", Transfer_Encoding="chunked") + "2\r\n{}\r\n0\r\n"

    def ask(trailers: str) -> int:
        with line(live) as connection:
            connection.send(opening + trailers)
            return status_of(connection.received())

    assert ask("X-Long: " + "x" * 200_000) == 431
    assert ask("".join(f"X-{number}: {'x' * 200}\r\n" for number in range(90))) == 431


def test_a_trailer_is_no_header(live: LiveServer) -> None:
    trailers = "X-Request-ID: smuggled\r\nAuthorization: Bearer x\r\n"

    with line(live) as connection:
        connection.send(head(Transfer_Encoding="chunked") + "2\r\n{}\r\n0\r\n" + trailers + "\r\n")
        answer = connection.received()

    assert error_of(answer)["code"] == "missing_api_key"
    assert b"smuggled" not in answer


@pytest.mark.parametrize(
    "sent",
    [
        head(Content_Length="5", Transfer_Encoding="chunked") + "0\r\n\r\n",
        head(Content_Length="5").replace("\r\n\r\n", "\r\nContent-Length: 6\r\n\r\n") + "hello",
        *(head(Content_Length=wrong) + "hello" for wrong in ("-1", "+5", "0x5", "5,5", "5 5", "five", "9" * 30)),
        head("/live", method="GET").replace("Host: 127.0.0.1", "Host: 127.0.0.1\r\n folded"),
        head("/live", method="GET").replace("\r\n", "\n"),
        head("/live", method="GET").replace("Host:", "Host :"),
        head("/live", method="GET", X="a\rb"),
        head("/live", method="GET", X="a\0b"),
        head(Transfer_Encoding="chunked") + "zz\r\nhello\r\n",
        head(Transfer_Encoding="chunked") + "2\r\n{}}}\r\n0\r\n\r\n",
        head(Transfer_Encoding="gzip") + "hello",
        "GET /live\r\n\r\n",
        "GET /live HTTP/9.9\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_what_is_not_http_is_refused_and_the_connection_closed(live: LiveServer, sent: str) -> None:
    with line(live, timeout_s=5) as connection:
        connection.send(sent.encode("latin-1"))
        answer = connection.received()

    assert status_of(answer) == 400
    assert error_of(answer)["type"] == "invalid_request_error"
    assert b"x-request-id: req_" in answer


def test_nobody_hears_the_answer_to_anothers_nonsense(live: LiveServer, cast: Cast) -> None:
    """Garbage behind a request in progress breaks the connection, and never stands in the middle of an answer."""
    address = cast.publish(model="scripted/persona", options={"rules": [{"text": "word " * 200}], "chunk_ms": 20})
    body = {"model": address, "stream": True, "messages": [{"role": "user", "content": "go"}]}

    with line(live) as connection:
        connection.send(completion(cast.globex_key, body))
        begun = connection.socket.recv(65_536)
        connection.send("this is not HTTP\r\n\r\n")
        rest = connection.received()

    assert status_of(begun) == 200
    assert b"HTTP/1.1" not in rest
    assert b"[DONE]" not in rest


# --- time -------------------------------------------------------------------------------------------------------------


def test_a_head_that_does_not_come_in_time_is_a_408(strict: LiveServer) -> None:
    with line(strict) as connection:
        connection.send("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n")
        answer = connection.received()

    assert status_of(answer) == 408
    assert error_of(answer)["code"] == "request_timeout"


@pytest.mark.parametrize("sent", ["", "\r\n\r\n"])
def test_who_says_nothing_is_let_go_without_a_word(strict: LiveServer, sent: str) -> None:
    with line(strict) as connection:
        connection.send(sent)
        answer = connection.received()

    assert answer == b""


def test_empty_lines_between_requests_keep_no_connection(strict: LiveServer) -> None:
    with line(strict) as connection:
        connection.send(head("/live", method="GET"))
        assert status_of(connection.answer()) == 200

        def trickle() -> bool:
            try:
                connection.socket.setblocking(True)
                connection.send("\r\n")
            except ConnectionError:
                return True
            return connection.is_closed()

        assert eventually(trickle, within_s=20)


def test_a_body_that_does_not_come_in_time_is_a_408(strict: LiveServer, cast: Cast) -> None:
    with line(strict) as connection:
        connection.send(head(Authorization=f"Bearer {cast.globex_key}", Content_Length="100") + "{")
        answer = connection.received()

    assert status_of(answer) == 408
    assert error_of(answer)["message"] == "The body did not arrive within 1 seconds."


def test_a_connection_waits_for_a_next_request_only_so_long(strict: LiveServer) -> None:
    with line(strict) as connection:
        for _ in range(3):
            connection.send(head("/live", method="GET"))
            assert status_of(connection.answer()) == 200
        rest = connection.received()

    assert rest == b""


# --- connections ------------------------------------------------------------------------------------------------------


def test_beyond_the_most_connections_there_is_a_503_and_then_room_again(strict: LiveServer) -> None:
    with ExitStack() as stack:
        waiting = [stack.enter_context(line(strict)) for _ in range(40)]
        with line(strict) as one_more:
            refused = one_more.received()
        freed = eventually(strict.is_ready, within_s=20)

    assert status_of(refused) == 503
    assert error_of(refused)["code"] == "service_unavailable"
    assert b"retry-after: 1" in refused
    assert freed
    assert len(waiting) == 40


def test_requests_in_a_row_are_answered_in_order(live: LiveServer) -> None:
    paths = ["/live", "/nowhere", "/ready", "/live"]

    with line(live) as connection:
        connection.send("".join(head(path, method="GET") for path in paths[:-1]))
        connection.send(head(paths[-1], method="GET", Connection="close"))
        answers = connection.received()

    assert [status_of(b"HTTP/1." + answer) for answer in answers.split(b"HTTP/1.")[1:]] == [200, 404, 200, 200]


# --- answers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("streamed", [False, True])
def test_http_1_0_gets_no_chunks_and_the_end_by_closing(live: LiveServer, cast: Cast, *, streamed: bool) -> None:
    address = cast.publish(model="scripted/persona", options={"rules": [{"text": "Hello there."}]})
    body = {"model": address, "stream": streamed, "messages": [{"role": "user", "content": "Hi"}]}

    with line(live) as connection:
        connection.send(completion(cast.globex_key, body, version="1.0"))
        answer = connection.received()

    top, _, content = answer.partition(b"\r\n\r\n")
    assert status_of(answer) == 200
    assert b"transfer-encoding" not in top
    assert content.startswith(b"data: {" if streamed else b"{")
    assert content.endswith(b"data: [DONE]\n\n" if streamed else b"}")


def test_http_1_0_gets_a_page_of_djangos(live: LiveServer) -> None:
    with line(live) as connection:
        connection.send(head("/admin/login/", method="GET", version="1.0", Accept="text/html"))
        answer = connection.received()

    assert status_of(answer) == 200
    assert b"</html>" in answer


def test_a_client_that_waits_to_be_told_is_told_before_it_sends(live: LiveServer, cast: Cast) -> None:
    told = {"Authorization": f"Bearer {cast.globex_key}", "Expect": "100-continue"}

    with line(live) as large, line(live) as small:
        large.send(head(**told, Content_Length="300000000"))
        refused = large.received()
        small.send(head(**told, Content_Length="2"))
        go_on = small.socket.recv(65_536)
        small.send("{}")
        answer = small.answer()

    assert status_of(refused) == 413
    assert go_on == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert error_of(answer)["code"] == "missing_required_parameter"


def test_refused_connections_are_counted(live: LiveServer) -> None:
    with line(live) as connection:
        connection.send("nonsense\r\n\r\n")
        connection.received()

    assert '"connection"' in live.said or "route=connection" in live.said
    assert httpx.get(f"{live.url}/live").status_code == 200
