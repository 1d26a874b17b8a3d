"""No form of an inside address is ever connected to."""

import json
import socket
from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest

import outbound
from outbound.addresses import is_public
from outbound.client import SafeResolver, new_session
from tests.fakes.upstream import Upstream

FORMS = (
    "http://127.0.0.1{port}/", "http://localhost{port}/", "http://0.0.0.0{port}/", "http://0{port}/",
    "http://127.1{port}/", "http://2130706433{port}/", "http://0x7f000001{port}/", "http://017700000001{port}/",
    "http://0177.0.0.1{port}/", "http://[::1]{port}/", "http://[::]{port}/", "http://[::ffff:127.0.0.1]{port}/",
    "http://[::ffff:7f00:1]{port}/", "http://[::ffff:a9fe:a9fe]{port}/", "http://169.254.169.254{port}/latest/meta-data/",
    "http://[fd00:ec2::254]{port}/", "http://[fe80::1%25eth0]{port}/", "http://10.0.0.1{port}/", "http://172.16.0.1{port}/",
    "http://192.168.0.1{port}/", "http://100.64.0.1{port}/", "http://[64:ff9b::7f00:1]{port}/",
    "http://[2002:7f00:1::]{port}/", "http://[2001:0:7f00:1::]{port}/", "http://[fec0::1]{port}/",
    "http://198.18.0.1{port}/", "http://224.0.0.1{port}/", "http://255.255.255.255{port}/",
    "http://metadata.google.internal{port}/", "http://localhost.localdomain{port}/", "http://x.localhost.{port}/",
    "http://user@127.0.0.1{port}/", "http://user@example.com/", "http://1.1.1.1@127.0.0.1{port}/", "http://8.8.8.8:22/",
    "http://127.0.0.1.{port}/", "ftp://8.8.8.8/", "file:///etc/passwd", "gopher://127.0.0.1{port}/_",
    "http://127\u30020\u30020\u30021{port}/", "http://\u2460\u2461\u2466.0.0.1{port}/",
    "http://127.0.0.1%2f@example.com/", "http://example.com\\@127.0.0.1{port}/", "http:///127.0.0.1{port}/",
    "//127.0.0.1{port}/", "http://[::127.0.0.1]{port}/", "http://postgres{port}/", "", "http://", "http://a b/",
    "http://example.com:99999/",
)  # fmt: skip


@pytest.fixture(autouse=True)
async def _afterwards() -> AsyncIterator[None]:
    yield
    outbound.configure()
    await outbound.close_all()


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as running:
        yield running


def answering(*addresses: str) -> "Lookup":
    return Lookup(addresses)


class Lookup:
    def __init__(self, addresses: tuple[str, ...]) -> None:
        self.addresses = addresses
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        return list(self.addresses)


@pytest.mark.parametrize("form", FORMS)
async def test_no_form_of_an_inside_address_is_connected_to(form: str, upstream: Upstream) -> None:
    outbound.configure(ports=(80, 443, upstream.port))

    for url in (form.format(port=f":{upstream.port}"), form.format(port="")):
        with pytest.raises(outbound.ForbiddenAddress):
            await outbound.fetch(url, timeout_s=2)

    assert upstream.connections == []


async def test_a_name_that_resolves_inside_is_refused_though_one_address_is_public(upstream: Upstream) -> None:
    outbound.configure(ports=(upstream.port,))

    async with new_session(lookup=answering("93.184.215.14", "127.0.0.1")) as session:
        with pytest.raises(outbound.ForbiddenAddress):
            await outbound.fetch(f"http://rebind.example:{upstream.port}/", using=session)

    assert upstream.connections == []


async def test_a_name_that_resolves_inside_on_the_second_look_is_never_connected_to(upstream: Upstream) -> None:
    outbound.configure(ports=(upstream.port,))
    lookup = answering("93.184.215.14")

    async with new_session(lookup=lookup) as session:
        outbound.check_url(f"http://rebind.example:{upstream.port}/")
        lookup.addresses = ("127.0.0.1",)
        with pytest.raises(outbound.ForbiddenAddress):
            await outbound.fetch(f"http://rebind.example:{upstream.port}/", using=session)

    assert upstream.connections == []


def test_the_socket_is_a_wall_of_its_own() -> None:
    resolver = SafeResolver(answering())

    for family, address in ((socket.AF_INET, ("127.0.0.1", 80)), (socket.AF_INET6, ("::1", 80, 0, 0))):
        with pytest.raises(PermissionError):
            resolver.socket((family, socket.SOCK_STREAM, 6, "", address))


async def test_an_opened_name_may_resolve_inside(upstream: Upstream) -> None:
    outbound.configure(allow=[f"ollama.example:{upstream.port}"])

    async with new_session(lookup=answering("127.0.0.1")) as session:
        answer = await outbound.fetch(f"http://ollama.example:{upstream.port}/", using=session)

    assert answer.status == 404


async def test_the_operator_opens_a_host_and_port_and_only_that(upstream: Upstream) -> None:
    outbound.configure(allow=[upstream.address])

    answer = await outbound.fetch(f"http://{upstream.address}/_log")

    assert json.loads(answer.body)["open_connections"] == 1
    with pytest.raises(outbound.ForbiddenAddress):
        await outbound.fetch(f"http://localhost:{upstream.port}/_log")


@pytest.mark.parametrize("entry", ["localhost", "localhost:", ":80", "localhost:http"])
def test_an_allow_list_entry_is_a_host_and_a_port(entry: str) -> None:
    with pytest.raises(ValueError, match="host:port"):
        outbound.configure(allow=[entry])


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"])
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address", ["168.63.129.16", "192.0.0.192", "240.0.0.1", "2001:db8::1", "ff02::1", "fe80::1%eth0", "nonsense", ""]
)
def test_odd_addresses_are_not(address: str) -> None:
    assert not is_public(address)


async def test_proxies_and_cookies_of_the_environment_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")

    session = outbound.session()

    assert not session.trust_env
    assert isinstance(session.cookie_jar, aiohttp.DummyCookieJar)
    assert session is outbound.session()
