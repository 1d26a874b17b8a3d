"""No provider's module fetches an address: images are in the message before litellm sees it."""

import base64
from contextlib import aclosing
from typing import Any

import pytest

import outbound
from skills.litellm import LiteLLMSkill
from skills.litellm.arguments import IMAGES_MAX, without_addresses
from skills.sdk import ModelRejected, ModelRequest, testing
from skills.sdk.testing import MemorySecrets
from tests.fakes.upstream import Upstream
from tests.outbound.conftest import running

PNG = b"\x89PNG\r\n\x1a\n"
INLINE = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"


def showing(*parts: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": list(parts)}]


def image(url: str, **members: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url, **members}}


async def test_what_holds_no_address_stays_as_it_is() -> None:
    messages = [
        {"role": "system", "content": "See http://example.com"},
        *showing(
            {"type": "text", "text": "http://example.com"},
            image(INLINE),
            "odd",
            {"type": "file", "file": {"file_data": "x"}},
        ),
    ]

    assert await without_addresses(messages) == messages


@pytest.mark.parametrize("form", ["members", "plain"])
async def test_an_image_is_fetched_by_us(form: str) -> None:
    async with running() as server:
        outbound.configure(allow=[server.address])
        server.says(PNG, Content_Type="image/png; charset=x")
        given = image(server.url, detail="low") if form == "members" else {"type": "image_url", "image_url": server.url}

        (message,) = await without_addresses(showing(given))

    detail = {"detail": "low"} if form == "members" else {}
    assert message["content"] == [{"type": "image_url", "image_url": {"url": INLINE, **detail}}]
    assert showing(given)[0]["content"] == [given]


@pytest.mark.parametrize(("status", "kind"), [("404 N", "image/png"), ("200 OK", "text/html"), ("302 F", "image/png")])
async def test_what_is_no_image_is_refused(status: str, kind: str) -> None:
    async with running() as server:
        outbound.configure(allow=[server.address])
        server.says(PNG, status=status, Content_Type=kind)

        with pytest.raises(ModelRejected) as raised:
            await without_addresses(showing(image(server.url)))

    assert raised.value.parameter == "messages"


@pytest.mark.parametrize("url", ["http://169.254.169.254/latest/", "file:///etc/passwd", "http://localhost/x.png"])
async def test_an_image_is_at_no_inside_address(upstream: Upstream, url: str) -> None:
    with pytest.raises(ModelRejected, match="could not be fetched"):
        await without_addresses(showing(image(url)))

    assert upstream.connections == []


@pytest.mark.parametrize(
    "part",
    [{"type": "file", "file": {"file_id": "https://10.0.0.1/x.pdf"}}, {"type": "image", "source": {"url": "http://x/"}},
     {"type": "video_url", "video_url": {"url": "gs://bucket/x"}}, {"type": "document", "url": "http://x/"}],
)  # fmt: skip
async def test_nothing_else_is_given_by_address(part: dict[str, Any]) -> None:
    with pytest.raises(ModelRejected, match="not as an address"):
        await without_addresses(showing(part))


async def test_there_are_so_many_images_by_address_and_no_more() -> None:
    with pytest.raises(ModelRejected, match="At most"):
        await without_addresses(showing(*[image("http://x.example/")] * (IMAGES_MAX + 1)))


@pytest.mark.parametrize("provider", ["openai", "hosted_vllm"])
async def test_pictures_sounds_and_files_pass(upstream: Upstream, provider: str) -> None:
    parts: list[dict[str, Any]] = [
        {"type": "text", "text": "hello you"},
        image(INLINE, detail="low"),
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"}},
    ]
    ctx = testing.context(
        secrets=MemorySecrets(credentials={provider: "sk-1"}, base_url=upstream.base_url, platform=True)
    )
    request = ModelRequest(model=f"{provider}/echo", messages=showing(*parts))

    async with aclosing(LiteLLMSkill().stream(ctx, request)) as chunks:
        assert [chunk async for chunk in chunks]

    assert upstream.exchanges[-1].body is not None
    assert upstream.exchanges[-1].body["messages"] == showing(*parts)
