"""What model skills share: how far to believe a provider's usage, and which of its words to repeat."""

import math
import re
from typing import Any

from skills.sdk.redaction import redact
from skills.sdk.usage import MOST_TOKENS, ServiceTier, Usage

MESSAGE_CHARACTERS_MAX = 500

_SERVICE_TIERS: dict[str, ServiceTier] = {"batch": "batch", "flex": "flex", "priority": "priority", "fast": "priority"}

_PRIVATE = re.compile(
    r"\b[a-z][a-z0-9+.-]*://\S+"  # addresses
    r"|\b(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?::[0-9]+)?"
    r"|\b(?:org|proj|user|sess|req)[-_][A-Za-z0-9]{6,}"  # whose account it is
    r"|\b(?:sk|pk|rk|gsk|xai|key)[-_]\S{4,}|\bBearer\s+\S+"  # keys, also half hidden ones
    r"|(?<![A-Za-z0-9])(?=[A-Za-z_-]*[0-9])[A-Za-z0-9_-]{32,}",
    re.IGNORECASE,
)


def words_about_request(message: object, *, hidden: str = "") -> str:
    """A provider's words about a request, without addresses, keys and what only its customer may know.

    `hidden` is the key that was used. The words begin with ours, and are nothing but ours when there are none.
    """
    ours = "The model's provider rejects the request"
    if not isinstance(message, str) or not message.strip():
        return f"{ours}."
    if hidden:
        message = message.replace(hidden, "[removed]")
    said = _PRIVATE.sub("[removed]", redact(" ".join(message.split())[: 4 * MESSAGE_CHARACTERS_MAX]))
    return f"{ours}: {said[:MESSAGE_CHARACTERS_MAX]}"


def usage_of(told: object, *, spoke: bool) -> Usage | None:
    """The usage, from OpenAI's shape; None when it was not reported or cannot be true.

    `spoke` says that the reply was not empty.
    """
    if not isinstance(told, dict):
        return None
    read, written = _count(told.get("prompt_tokens")), _count(told.get("completion_tokens"))
    if not read or written is None or (spoke and not written):
        return None
    of_input, of_output = _members(told, "prompt_tokens_details"), _members(told, "completion_tokens_details")
    of_writing = _members(of_input, "cache_creation_token_details") or _members(told, "cache_creation")
    stored = _part(
        read,
        of_input.get("cache_write_tokens"),
        of_input.get("cache_creation_tokens"),
        told.get("cache_creation_input_tokens"),
    )
    reasoning = _count(of_output.get("reasoning_tokens")) or 0
    if reasoning and _count(told.get("total_tokens")) == read + written + reasoning:
        # A vendor that counts reasoning beside the completion, not in it.
        written += reasoning
    return Usage(
        input_tokens=read,
        cached_input_tokens=_part(read, of_input.get("cached_tokens"), told.get("prompt_cache_hit_tokens")),
        cache_write_tokens=stored,
        cache_write_1h_tokens=_part(stored, of_writing.get("ephemeral_1h_input_tokens")),
        input_audio_tokens=_part(read, of_input.get("audio_tokens")),
        input_image_tokens=_part(read, of_input.get("image_tokens")),
        output_tokens=written,
        reasoning_tokens=_part(written, reasoning),
        output_audio_tokens=_part(written, of_output.get("audio_tokens")),
        output_image_tokens=_part(written, of_output.get("image_tokens")),
        accepted_prediction_tokens=_part(written, of_output.get("accepted_prediction_tokens")),
        rejected_prediction_tokens=_part(written, of_output.get("rejected_prediction_tokens")),
        citation_tokens=_first(told.get("citation_tokens")),
        search_requests=_first(
            of_input.get("web_search_requests"),
            told.get("num_search_queries"),
            _members(told, "server_tool_use").get("web_search_requests"),
        ),
        input_images=_first(of_input.get("image_count")),
        input_characters=_first(of_input.get("character_count")),
        input_seconds=_seconds(of_input.get("audio_length_seconds")) + _seconds(of_input.get("video_length_seconds")),
    )


def service_tier_of(told: object) -> ServiceTier:
    """The tier that a provider says it served, by the name that prices have for it; the usual one has none."""
    return _SERVICE_TIERS.get(told, "") if isinstance(told, str) else ""


def is_possible_usage(told: object) -> bool:
    """Whether what is told in OpenAI's shape holds counts of tokens, and no fractions, words or impossible numbers."""
    if not isinstance(told, dict):
        return False
    totals = (told.get(name) for name in ("prompt_tokens", "completion_tokens", "total_tokens"))
    return all(total is None or _count(total) is not None for total in totals)


def _count(value: object) -> int | None:
    fits = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_TOKENS
    return value if fits and isinstance(value, int) else None


def _first(*values: object) -> int:
    """The first of the values that is a count."""
    return next((count for value in values if (count := _count(value)) is not None), 0)


def _part(total: int, *values: object) -> int:
    """The first of the values that is a count; a part is never more than its whole."""
    return min(_first(*values), total)


def _seconds(value: object) -> int:
    """Whole seconds, the one that has begun included."""
    fits = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= MOST_TOKENS
    return math.ceil(value) if fits and isinstance(value, int | float) else 0


def _members(told: dict[str, Any], name: str) -> dict[str, Any]:
    value = told.get(name)
    return value if isinstance(value, dict) else {}
