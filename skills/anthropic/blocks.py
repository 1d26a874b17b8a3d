"""Content of messages as blocks of the Messages API: texts, images and documents."""

import base64
import binascii
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import msgspec

from skills.sdk import ModelRejected

Block: TypeAlias = dict[str, Any]

IMAGE_TYPES = frozenset(("image/jpeg", "image/png", "image/gif", "image/webp"))
_LIFETIMES = frozenset(("5m", "1h"))
_DATA_URL = "data:"
_PDF = "application/pdf"


def blocks_of(content: Any) -> list[Block]:
    """A text or parts as blocks; empty texts are left out, as the API refuses them. Raises ModelRejected."""
    if content is None:
        return []
    if isinstance(content, str):
        return [text_block(content)] if content.strip() else []
    return [block for part in content if (block := _block(part)) is not None]


def text_block(text: str) -> Block:
    """Words."""
    return {"type": "text", "text": text}


def mark_of(part: Mapping[str, Any]) -> dict[str, Any]:
    """The mark on a part that says where a cached prompt ends, as far as the API knows it."""
    mark = part.get("cache_control")
    if not isinstance(mark, Mapping) or mark.get("type") != "ephemeral":
        return {}
    lifetime = {"ttl": mark["ttl"]} if mark.get("ttl") in _LIFETIMES else {}
    return {"cache_control": {"type": "ephemeral", **lifetime}}


def texts(blocks: Iterable[Block]) -> str:
    """The words in blocks, together."""
    return "\n".join(block["text"] for block in blocks if block["type"] == "text")


def _block(part: Any) -> Block | None:
    if not isinstance(part, Mapping):
        return None
    match part.get("type"):
        case "text" | "refusal" as kind:
            said = part.get(kind)
            block = text_block(said) if isinstance(said, str) and said.strip() else None
        case "image_url":
            block = _image(part["image_url"])
        case "file":
            block = _document(part["file"])
        case "input_audio":
            raise _unsupported("The model does not listen to recordings.")
        case _:
            block = text_block(msgspec.json.encode(part).decode())
    return None if block is None else block | mark_of(part)


def _image(image: Any) -> Block:
    url = image.get("url") if isinstance(image, Mapping) else image
    if not isinstance(url, str):
        raise _unsupported("An image has no address and no data.")
    if not url.startswith(_DATA_URL):
        return {"type": "image", "source": {"type": "url", "url": url}}
    kind, data = _data(url)
    if kind not in IMAGE_TYPES:
        raise _unsupported(f"The model looks at images of the types {', '.join(sorted(IMAGE_TYPES))}.")
    return {"type": "image", "source": {"type": "base64", "media_type": kind, "data": data}}


def _document(file: Any) -> Block:
    """A PDF as it is, a text as its words. An id would be of a file that only its uploader's account has."""
    given = file.get("file_data") if isinstance(file, Mapping) else None
    if not isinstance(given, str):
        raise _unsupported("Files have to be sent in the message, as 'file_data'.")
    kind, data = _data(given) if given.startswith(_DATA_URL) else (_PDF, given)
    if kind == _PDF:
        source = {"type": "base64", "media_type": _PDF, "data": data}
    elif kind.startswith("text/"):
        source = {"type": "text", "media_type": "text/plain", "data": _decoded(data)}
    else:
        raise _unsupported("The model reads PDF files and texts.")
    title = {"title": file["filename"]} if file.get("filename") else {}
    return {"type": "document", "source": source, **title}


def _data(url: str) -> tuple[str, str]:
    """The type and the base64 of a data URL."""
    head, _, data = url.removeprefix(_DATA_URL).partition(",")
    kind, _, encoding = head.partition(";")
    if encoding.rpartition(";")[2] != "base64":
        raise _unsupported("A data URL has to carry base64.")
    return kind.lower(), data


def _decoded(data: str) -> str:
    try:
        return base64.b64decode(data, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise _unsupported("A text file has to be UTF-8, in base64.") from None


def _unsupported(message: str) -> ModelRejected:
    return ModelRejected(message, parameter="messages", code="invalid_value")
