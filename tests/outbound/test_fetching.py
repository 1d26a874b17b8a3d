"""One fetch, within limits of redirects, size and time."""

import asyncio
import gzip
import time
import zlib

import aiohttp
import pytest

import outbound
from tests.fakes.unanswering import unanswering
from tests.outbound.conftest import Server, running

MEGABYTE = 1_000_000


@pytest.mark.parametrize("status", ["301 M", "302 F", "303 S", "307 T", "308 P"])
async def test_nobody_follows_a_redirect_unasked(server: Server, status: str) -> None:
    server.says(status=status, Location="http://169.254.169.254/latest/")

    with pytest.raises(outbound.RedirectRefused) as raised:
        await outbound.fetch(server.url)

    assert raised.value.location == "http://169.254.169.254/latest/"
    assert len(server.received) == 1


async def test_a_bare_session_does_not_follow_one_either(server: Server) -> None:
    server.says(status="302 F", Location=server.url)

    with pytest.raises(outbound.RedirectRefused):
        await outbound.session().get(server.url)

    assert len(server.received) == 1


async def test_a_redirect_to_another_host_is_refused_though_redirects_are_asked_for(server: Server) -> None:
    async with running() as other:
        outbound.configure(allow=[server.address, other.address.replace("127.0.0.1", "localhost")])
        server.says(status="307 T", Location=other.url.replace("127.0.0.1", "localhost"))

        with pytest.raises(outbound.RedirectRefused):
            await outbound.fetch(server.url, max_redirects=3)

        assert other.received == []


@pytest.mark.parametrize("target", ["http://127.0.0.1:1/", "http://[::1/", "ftp://127.0.0.1/", "//127.0.0.1:22/"])
async def test_a_redirect_to_what_is_not_opened_is_refused(server: Server, target: str) -> None:
    server.says(status="302 F", Location=target)

    with pytest.raises((outbound.ForbiddenAddress, outbound.RedirectRefused)):
        await outbound.fetch(server.url, max_redirects=3)

    assert len(server.received) == 1


@pytest.mark.parametrize(
    ("status", "method"), [("302 F", "GET"), ("303 S", "GET"), ("307 T", "POST"), ("308 P", "POST")]
)
async def test_a_redirect_on_the_same_host_is_followed_when_asked_for(server: Server, status: str, method: str) -> None:
    server.says(status=status, Location="/there")

    with pytest.raises(outbound.RedirectRefused):
        await outbound.fetch(server.url, method="POST", body=b"{}", max_redirects=1)

    first, second = (head.split(" ", 2)[:2] for head in server.received)
    assert (first, second) == (["POST", "/"], [method, "/there"])


async def test_an_answer_says_where_it_came_from_and_what(server: Server) -> None:
    server.says(b"hello", Content_Type="text/plain", X_Thing="1")

    answer = await outbound.fetch(server.url, headers={"X-Mine": "2"})

    assert (answer.url, answer.status, answer.body) == (server.url, 200, b"hello")
    assert answer.headers["x-thing"] == "1"
    assert "x-mine: 2" in server.received[0].lower()
    assert "accept-encoding: identity" in server.received[0].lower()


async def test_an_answer_that_says_it_is_too_large_is_not_read(server: Server) -> None:
    server.says(b"x", length=10 * MEGABYTE)

    with pytest.raises(outbound.TooLarge):
        await outbound.fetch(server.url, max_bytes=1000)


async def test_an_answer_that_does_not_say_how_large_it_is_is_read_up_to_the_limit(server: Server) -> None:
    server.answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
    server.more = b"x" * 65_536

    with pytest.raises(outbound.TooLarge):
        await outbound.fetch(server.url, max_bytes=MEGABYTE)


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "deflate"])
async def test_what_is_compressed_comes_decompressed(server: Server, encoding: str) -> None:
    packed = zlib.compress(b"hello" * 1000) if encoding == "deflate" else gzip.compress(b"hello" * 1000)
    server.says(packed, Content_Encoding=encoding)

    answer = await outbound.fetch(server.url)

    assert answer.body == b"hello" * 1000


async def test_several_compressed_members_are_one_answer(server: Server) -> None:
    server.says(gzip.compress(b"one ") + gzip.compress(b"two"), Content_Encoding="gzip")

    assert (await outbound.fetch(server.url)).body == b"one two"


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_a_decompression_bomb_goes_off_in_the_limit(server: Server, encoding: str) -> None:
    flat = bytes(200 * MEGABYTE)
    packed = zlib.compress(flat, 9) if encoding == "deflate" else gzip.compress(flat, 9)
    server.says(packed, Content_Encoding=encoding)
    assert len(packed) < MEGABYTE

    with pytest.raises(outbound.TooLarge):
        await outbound.fetch(server.url, max_bytes=MEGABYTE)


@pytest.mark.parametrize(
    ("body", "encoding"),
    [(b"not gzip", "gzip"), (gzip.compress(b"hello", mtime=0)[:-9], "gzip"), (b"\x1b\x00", "br"), (b"x", "gzip, gzip")],
)
async def test_what_is_not_encoded_as_it_says_is_no_answer(server: Server, body: bytes, encoding: str) -> None:
    server.says(body, Content_Encoding=encoding)

    with pytest.raises(outbound.Unreachable):
        await outbound.fetch(server.url)


@pytest.mark.parametrize(("method", "status"), [("HEAD", "200 OK"), ("GET", "204 No Content"), ("GET", "304 N")])
async def test_an_answer_without_a_body_has_none(server: Server, method: str, status: str) -> None:
    server.says(status=status, Content_Encoding="gzip")

    assert (await outbound.fetch(server.url, method=method)).body == b""


async def test_a_server_that_drips_is_left_when_the_time_is_up(server: Server) -> None:
    server.answer, server.more, server.pause_s = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", b"x", 0.02
    started = time.monotonic()

    with pytest.raises(outbound.OutboundTimeout) as raised:
        await outbound.fetch(server.url, timeout_s=0.3)

    assert not raised.value.connecting
    assert time.monotonic() - started < 2


async def test_a_server_that_is_not_reached_in_time_is_told_apart() -> None:
    with unanswering() as address:
        outbound.configure(allow=[address])
        timeout = aiohttp.ClientTimeout(sock_connect=0.2)

        with pytest.raises(outbound.OutboundTimeout) as raised, outbound.translated():
            await outbound.session().get(f"http://{address}/", timeout=timeout)

    assert raised.value.connecting
    await outbound.close_all()


async def test_a_closed_port_is_unreachable_and_named_nowhere(server: Server) -> None:
    async with running() as gone:
        address = gone.address
    outbound.configure(allow=[address])

    with pytest.raises(outbound.Unreachable) as raised:
        await outbound.fetch(f"http://{address}/")

    assert "127.0.0.1" not in str(raised.value)


@pytest.mark.parametrize("answer", [b"", b"SMTP ready\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"])
async def test_what_is_not_http_or_ends_early_is_unreachable(server: Server, answer: bytes) -> None:
    server.answer = answer

    with pytest.raises(outbound.Unreachable):
        await outbound.fetch(server.url)


async def test_a_name_that_nobody_knows_is_unreachable() -> None:
    outbound.configure()

    async def nobody(host: str, port: int) -> list[str]:
        raise OSError

    async with outbound.client.new_session(lookup=nobody) as session:
        with pytest.raises(outbound.Unreachable, match="does not resolve"):
            await outbound.fetch("http://nobody.example/", using=session)


async def test_tls_that_is_not_acceptable_is_unreachable() -> None:
    async def plain(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 plain text\r\n")
        writer.close()

    async with await asyncio.start_server(plain, "127.0.0.1", 0) as listening:
        host, port = listening.sockets[0].getsockname()
        outbound.configure(allow=[f"{host}:{port}"])
        with pytest.raises(outbound.Unreachable):
            await outbound.fetch(f"https://{host}:{port}/")

    await outbound.close_all()


@pytest.mark.parametrize(
    "headers",
    [{"Host": "inside"}, {"transfer-encoding": "chunked"}, {"X-Forwarded-For": "127.0.0.1"}, {"Content-Length": "0"},
     {"X": "a\r\nEvil: 1"}, {"X\r\nEvil": "1"}, {"X": "a\x00"}, {"": "x"}, {"Ü": "x"}, {"X": "x" * 9000}],
)  # fmt: skip
async def test_a_header_cannot_steer_the_connection(server: Server, headers: dict[str, str]) -> None:
    with pytest.raises(outbound.InvalidRequest):
        await outbound.fetch(server.url, headers=headers)

    assert server.received == []


@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "get", "GET / HTTP/1.1\r\nX:"])
async def test_a_method_is_one_of_few(server: Server, method: str) -> None:
    with pytest.raises(outbound.InvalidRequest):
        await outbound.fetch(server.url, method=method)

    assert server.received == []


async def test_cookies_are_not_kept(server: Server) -> None:
    server.says(b"x", Set_Cookie="a=b; Path=/")

    await outbound.fetch(server.url)
    await outbound.fetch(server.url)

    assert "cookie" not in server.received[1].lower()


async def test_the_system_looks_names_up(server: Server) -> None:
    named = server.address.replace("127.0.0.1", "localhost")
    outbound.configure(allow=[named])
    server.says(b"here")

    assert (await outbound.fetch(f"http://{named}/")).body == b"here"


async def test_a_url_has_an_end(server: Server) -> None:
    with pytest.raises(outbound.ForbiddenAddress, match="longer"):
        await outbound.fetch(server.url + "x" * 5000)


async def test_a_session_is_the_loops_own_and_ends_with_it() -> None:
    here = outbound.session()
    there = await asyncio.to_thread(asyncio.run, _a_session())
    await outbound.close_all()

    assert there is not here
    assert there.closed
    assert here.closed
    assert outbound.session() is not here
    await outbound.close_all()
    await outbound.close_all()


async def _a_session() -> aiohttp.ClientSession:
    return outbound.session()
