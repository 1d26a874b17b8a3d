"""What is readable in an answer of the web: a page's words as Markdown, a document's text, its title and links."""

import io
import json
from dataclasses import dataclass
from typing import Final
from urllib.parse import urljoin

from skills.sdk import ToolFailed

MOST_PAGES: Final = 100
MOST_LINKS: Final = 100
_NOT_READ: Final = ("script", "style", "noscript", "template", "svg", "form", "nav", "footer", "aside", "iframe")
_TEXT: Final = ("text/", "application/xml", "application/javascript", "application/yaml")


@dataclass(frozen=True, kw_only=True)
class Page:
    """What may be read. `links` are texts and absolute addresses, in their order."""

    title: str
    text: str
    links: tuple[tuple[str, str], ...] = ()


def readable(body: bytes, *, content_type: str, url: str) -> Page:
    """The page, in a thread: it may take a while. Raises ToolFailed for what is no text."""
    kind, _, rest = content_type.partition(";")
    kind = kind.strip().lower()
    if kind in ("text/html", "application/xhtml+xml", ""):
        return _html(body, url)
    if kind == "application/pdf":
        return _pdf(body)
    charset = rest.rpartition("charset=")[2].strip(' "') or "utf-8"
    if kind == "application/json" or kind.endswith("+json"):
        return Page(title="", text=_json(_decoded(body, charset)))
    if kind.startswith(_TEXT) or kind.endswith("+xml"):
        return Page(title="", text=_decoded(body, charset))
    raise ToolFailed(f"What is at this address is {kind[:100]}, which cannot be read as text.")


def _html(body: bytes, url: str) -> Page:
    # Imported here: they take a while, and most agents never read a page.
    from bs4 import BeautifulSoup
    from markdownify import MarkdownConverter

    try:
        soup = BeautifulSoup(body, "html.parser")
        title = soup.title.get_text(" ", strip=True) if soup.title else ""
        for tag in soup(_NOT_READ):
            tag.decompose()
        main = soup.find("main") or soup.find("article") or soup.body or soup
        links = tuple(
            (anchor.get_text(" ", strip=True)[:200], urljoin(url, str(anchor["href"])))
            for anchor in main.find_all("a", href=True, limit=MOST_LINKS)
        )
        text = MarkdownConverter(heading_style="ATX", strip=["a", "img"]).convert_soup(main)
    except RecursionError:
        raise ToolFailed("The page is nested too deeply to be read.") from None
    lines = [line.rstrip() for line in text.splitlines()]
    kept = [line for line, before in zip(lines, ["", *lines], strict=False) if line or before]
    return Page(title=title[:500], text="\n".join(kept).strip(), links=links)


def _pdf(body: bytes) -> Page:
    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    try:
        reader = PdfReader(io.BytesIO(body))
        pages = [page.extract_text() for page in reader.pages[:MOST_PAGES]]
        title = str(reader.metadata.title or "") if reader.metadata else ""
    except (PyPdfError, ValueError, KeyError, RecursionError) as error:
        raise ToolFailed(f"The PDF cannot be read ({type(error).__name__}).") from error
    return Page(title=title[:500], text="\n\n".join(pages).strip())


def _json(text: str) -> str:
    try:
        return json.dumps(json.loads(text), indent=1, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text


def _decoded(body: bytes, charset: str) -> str:
    try:
        return body.decode(charset, errors="replace")
    except LookupError:
        return body.decode("utf-8", errors="replace")
