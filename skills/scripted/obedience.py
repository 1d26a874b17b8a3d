"""What the scripted model makes of a request's parameters."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from skills.scripted.script import Said
from skills.sdk import ModelRejected

UNABLE = ("moderation", "web_search_options")
"""Fields that ask for what a model with no network cannot do."""


def check(parameters: Mapping[str, Any], said: Said) -> None:
    """Raise ModelRejected for what the model cannot do, unless its script does it for it."""
    unable = [name for name in UNABLE if parameters.get(name) is not None]
    if "audio" in (parameters.get("modalities") or ()) and said.audio is None:
        unable.append("modalities")
    if unable:
        raise ModelRejected(
            f"The scripted model does not take '{unable[0]}'.", parameter=unable[0], code="unsupported_parameter"
        )


def until_stop(pieces: Sequence[str], stop: str | Sequence[str] | None) -> Iterator[str]:
    """The pieces up to the first of the sequences at which the model shall stop."""
    text = "".join(pieces)
    sequences = [stop] if isinstance(stop, str) else stop or ()
    left = min((place for each in sequences if each and (place := text.find(each)) >= 0), default=None)
    if left is None:
        yield from pieces
        return
    for piece in pieces:
        if piece[:left]:
            yield piece[:left]
        left = max(0, left - len(piece))


def logprobs(text: str, parameters: Mapping[str, Any], *, part: str) -> dict[str, Any] | None:
    """How sure the model is of a piece of its `content` or `refusal`, if that is asked: it follows a script."""
    if not parameters.get("logprobs"):
        return None
    token = {"token": text, "logprob": 0.0, "bytes": list(text.encode(errors="replace"))}
    best = [dict(token)] if parameters.get("top_logprobs") else []
    return {"content": None, "refusal": None, part: [{**token, "top_logprobs": best}]}
