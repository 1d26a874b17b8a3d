"""What the edge holds ready for whoever sends too much, or too slowly, to the pages that Django answers."""

from typing import Any

from tests.api.client import ApiClient, Server, raw, received

PAGE = "/console/login/"


def test_strangers_may_send_little(server: Server) -> None:
    with ApiClient(server.url) as stranger:
        answer = stranger.request("POST", PAGE, content=b"x" * 64_001)

    assert answer.code == (413, "invalid_request_error", "request_too_large")


def test_a_key_that_is_not_good_makes_nobody_known(server: Server) -> None:
    with ApiClient(server.url, "rb_live_nonsense") as stranger:
        answer = stranger.request("POST", PAGE, content=b"x" * 64_001)

    assert answer.status == 413


def test_a_good_key_may_send_more(acme_client: ApiClient) -> None:
    answer = acme_client.request("POST", "/v1/models", content=b"x" * 64_001)

    assert answer.status == 405


def test_a_stranger_who_says_nothing_of_the_size_is_stopped_at_the_limit(server: Server) -> None:
    head = f"POST {PAGE} HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    piece = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"

    with raw(server.url, head + piece * 3) as connection:
        answer = b"".join(received(connection))

    assert answer.startswith(b"HTTP/1.1 413")


def test_a_page_waits_for_a_body_only_so_long(server: Server, settings: Any) -> None:
    settings.ROBUTLER = settings.ROBUTLER.model_copy(update={"body_s": 0.2})
    head = f"POST {PAGE} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n\r\nx".encode()

    with raw(server.url, head) as connection:
        answer = connection.recv(65_536)

    assert answer.startswith(b"HTTP/1.1 408")
