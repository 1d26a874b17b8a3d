"""What a tool returned, as the model is told it: text or parts, cut at a limit."""

from typing import Any

import msgspec
from pydantic_core import to_json

from skills.sdk.calls import Content

PART_TYPES = frozenset({"text", "image_url", "input_audio", "file"})
MEDIA_LIMIT_BYTES = 8_000_000
"""How much of pictures, sound and files one result may hold; what is more is left out, visibly."""


def content_of(result: Any, *, limit_bytes: int) -> Content:
    """Text as it is, parts as they are, anything else as JSON; raises ValueError when it has no JSON."""
    if _is_parts(result):
        return _cut_parts(result, limit_bytes)
    if result is None:
        return "Done."
    if isinstance(result, str):
        return cut(result, limit_bytes)
    return cut(to_json(result, fallback=msgspec.to_builtins).decode(), limit_bytes)


def cut(text: str, limit_bytes: int) -> str:
    """At most `limit_bytes` of the text, and a mark that says how much is missing."""
    if len(text) * 4 <= limit_bytes or len(encoded := text.encode(errors="replace")) <= limit_bytes:
        return text
    kept = encoded[:limit_bytes].decode(errors="ignore")
    return f"{kept}\n[… cut: {limit_bytes} of {len(encoded)} bytes shown]"


def as_text(content: Content) -> str:
    """Content for a reader of text: parts that are not text are named."""
    if isinstance(content, str):
        return content
    return "\n".join(part["text"] if part["type"] == "text" else f"[{part['type']}]" for part in content)


def _is_parts(result: Any) -> bool:
    return (
        isinstance(result, list)
        and bool(result)
        and all(isinstance(part, dict) and part.get("type") in PART_TYPES and part["type"] in part for part in result)
    )


def _cut_parts(parts: list[dict[str, Any]], limit_bytes: int) -> list[dict[str, Any]]:
    kept: list[dict[str, Any]] = []
    text_left, media_left = limit_bytes, MEDIA_LIMIT_BYTES
    for part in parts:
        if part["type"] == "text":
            text = cut(str(part["text"]), text_left)
            text_left = max(0, text_left - len(text.encode(errors="replace")))
            kept.append({**part, "text": text})
            continue
        size_bytes = len(to_json(part))
        if size_bytes > media_left:
            kept.append({"type": "text", "text": f"[… left out: {part['type']} of {size_bytes} bytes]"})
            continue
        media_left -= size_bytes
        kept.append(part)
    return kept
