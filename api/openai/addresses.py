"""Which agent a completion's path names."""

BY_MODEL = ""
"""The path names none; the body's `model` does."""

_END = "/chat/completions"


def is_completion(path: str) -> bool:
    """Whether `path` is a completion's, well-formed or not."""
    return path.endswith(_END)


def address_in(path: str) -> str | None:
    """`slug` or `organization/slug`, BY_MODEL when the body says which, None when the path is nobody's."""
    segments = path.removesuffix(_END).split("/")[1:]
    if segments and segments[-1] == "v1":
        segments.pop()
    elif segments[:1] == ["agents"] and len(segments) == 1:
        return None
    if not segments:
        return BY_MODEL
    if segments[0] == "agents":
        segments = segments[1:]
    if len(segments) not in (1, 2) or not all(segments):
        return None
    return "/".join(segments)
