"""The web skill, on a real site."""

from typing import Any

import pytest

import outbound
from agents.adapters.http import SafeHttp
from skills.sdk import RunContext, ToolFailed, ToolRetry
from skills.sdk.testing import context, run_tool
from skills.web import WebSkill
from tests.fakes.site import Site
from tests.outbound.test_forbidden_addresses import FORMS

PAGE = """<!doctype html><html><head><title>On &amp; off</title><script>alert("no")</script></head>
<body><nav>Home</nav><main><h1>Switches</h1><p>They go <b>on</b> and <a href="/off">off</a>.</p></main>
<footer>Imprint</footer></body></html>"""


def reading() -> RunContext:
    return context(http=SafeHttp())


async def read(url: str, *, ctx: RunContext | None = None, **options: Any) -> Any:
    asked = {name: options.pop(name) for name in ("part", "links") if name in options}
    skill = WebSkill(WebSkill.Options(**options))
    return await run_tool(skill, "read_page", ctx=ctx or reading(), url=url, **asked)


async def test_a_page_is_read_as_text_with_its_title_and_links(here: Site) -> None:
    told = await read(here.put("/switches", PAGE), links=True)

    assert told["title"] == "On & off"
    assert told["text"] == "# Switches\n\nThey go **on** and off."
    assert told["links"] == [f"off: {here.url}/off"]


async def test_a_long_page_is_read_in_parts(here: Site) -> None:
    url = here.put("/long", "word " * 300, kind="text/plain")

    first, second = [await read(url, part=part, max_characters=1_000) for part in (1, 2)]

    assert (first["part"], len(first["text"])) == ("1 of 2", 1_000)
    assert first["text"] + second["text"] == "word " * 300
    with pytest.raises(ToolRetry, match="2 parts"):
        await read(url, part=3, max_characters=1_000)


async def test_data_is_read_and_pictures_are_not(here: Site) -> None:
    told = await read(here.put("/data", '{"ā":[1,2]}', kind="application/json"))

    assert '"ā"' in told["text"]
    with pytest.raises(ToolFailed, match="image/png"):
        await read(here.put("/dot", b"\x89PNG", kind="image/png"))


async def test_a_pdf_is_read(here: Site) -> None:
    from io import BytesIO

    from reportlab.pdfgen.canvas import Canvas

    made = BytesIO()
    canvas = Canvas(made)
    canvas.drawString(100, 700, "Written on paper.")
    canvas.save()

    told = await read(here.put("/paper.pdf", made.getvalue(), kind="application/pdf"))

    assert told["text"] == "Written on paper."
    with pytest.raises(ToolFailed, match="cannot be read"):
        await read(here.put("/broken.pdf", b"%PDF-1.4 no", kind="application/pdf"))


async def test_robots_are_held_to_what_a_site_says(here: Site) -> None:
    here.put("/robots.txt", "User-agent: *\nDisallow: /private", kind="text/plain")
    open_, private = here.put("/open", "yes", kind="text/plain"), here.put("/private", "no", kind="text/plain")
    ctx = reading()

    assert (await read(open_, ctx=ctx))["text"] == "yes"
    with pytest.raises(ToolFailed, match="robots"):
        await read(private, ctx=ctx)

    assert [asked.path for asked in here.asked] == ["/robots.txt", "/open"]
    assert (await read(private, respect_robots=False))["text"] == "no"


async def test_a_site_whose_robots_txt_fails_is_left_alone(here: Site) -> None:
    here.put("/robots.txt", "oh", status=503)

    with pytest.raises(ToolFailed, match="robots"):
        await read(here.put("/open", "yes"))


@pytest.mark.parametrize(
    ("options", "is_read"),
    [
        ({"only_domains": ["127.0.0.1"]}, True),
        ({"only_domains": ["example.com"]}, False),
        ({"blocked_domains": ["127.0.0.1"]}, False),
        ({"blocked_domains": ["7.0.0.1"]}, True),
    ],
)
async def test_only_what_its_owner_allows_is_read(here: Site, options: dict[str, Any], is_read: bool) -> None:
    url = here.put("/open", "yes", kind="text/plain")

    if is_read:
        assert (await read(url, **options))["text"] == "yes"
    else:
        with pytest.raises(ToolFailed, match="may not be read"):
            await read(url, **options)
        assert here.asked == []


async def test_redirects_are_followed_on_the_same_host_only(here: Site) -> None:
    here.put("/new", "moved", kind="text/plain")
    inside = here.put("/old", b"", kind="/new", status=302)
    outside = here.put("/away", b"", kind="http://169.254.169.254/latest", status=302)

    assert (await read(inside))["text"] == "moved"
    with pytest.raises(ToolFailed):
        await read(outside)


async def test_a_page_that_is_too_large_or_not_there_is_told(here: Site) -> None:
    with pytest.raises(ToolFailed):
        await read(here.put("/huge", b"x" * 20_000, kind="text/plain"), max_bytes=10_000)
    with pytest.raises(ToolFailed, match="404"):
        await read(f"{here.url}/nothing")


async def test_a_page_that_is_nested_too_deeply_is_told(here: Site) -> None:
    with pytest.raises(ToolFailed, match="nested"):
        await read(here.put("/deep", "<div>" * 20_000 + "x"))


@pytest.mark.parametrize("form", FORMS)
async def test_ss_01_nothing_inside_is_reached_in_any_spelling(here: Site, form: str) -> None:
    outbound.configure()
    port = here.place.rpartition(":")[2]

    with pytest.raises((ToolFailed, ToolRetry)):
        await read(form.replace("{port}", f":{port}"), respect_robots=False)

    assert here.asked == []


@pytest.mark.parametrize(
    "url", ["ftp://host/", "file:///etc/passwd", "gopher://host/", "host/path", "http://", "http://[", ""]
)
async def test_ss_05_other_schemes_are_refused(url: str) -> None:
    with pytest.raises(ToolRetry, match="http"):
        await read(url)
