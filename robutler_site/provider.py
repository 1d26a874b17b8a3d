"""Whose models the demonstration uses: a provider found in the environment, else our own scripted one."""

import http.client
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

SCRIPTED_MODEL = "scripted/persona"
OPENAI_MODEL = "openai/gpt-4o-mini"
ANTHROPIC_MODEL = "anthropic/claude-haiku-4-5"

_ASK_SECONDS = 3.0
_PORTS = {"http": 80, "https": 443}
# What servers answer to that want no key.
_NO_KEY = "none"


@dataclass(frozen=True, kw_only=True)
class Provider:
    """A model and what reaches it; without a secret nothing needs to be reached."""

    model: str
    secret: str = ""
    base_url: str = ""

    @property
    def name(self) -> str:
        """The provider's name, the first half of the model's."""
        return self.model.partition("/")[0]

    @property
    def place(self) -> str:
        """Where a server of one's own listens, as host:port; empty for a public provider."""
        parts = urlsplit(self.base_url)
        return f"{parts.hostname}:{parts.port or _PORTS.get(parts.scheme, 0)}" if parts.hostname else ""


def from_environment(environment: Mapping[str, str] = os.environ) -> Provider:
    """Return the provider that the environment names."""
    base_url = environment.get("OPENAI_BASE_URL", "").strip().rstrip("/")
    openai_key = environment.get("OPENAI_API_KEY", "").strip()
    anthropic_key = environment.get("ANTHROPIC_API_KEY", "").strip()
    chosen = environment.get("OPENAI_MODEL", "").strip()
    if base_url:
        secret = openai_key or _NO_KEY
        model = chosen or _first_model(base_url, secret)
        return Provider(model=f"openai/{model}", secret=secret, base_url=base_url)
    if openai_key:
        return Provider(model=f"openai/{chosen}" if chosen else OPENAI_MODEL, secret=openai_key)
    if anthropic_key:
        return Provider(model=ANTHROPIC_MODEL, secret=anthropic_key)
    return Provider(model=SCRIPTED_MODEL)


def _first_model(base_url: str, secret: str) -> str:
    """Ask a server of one's own what it serves; the first will do."""
    if not base_url.startswith(("http://", "https://")):
        return OPENAI_MODEL.partition("/")[2]
    request = Request(f"{base_url}/models", headers={"Authorization": f"Bearer {secret}"})  # noqa: S310 - checked above
    try:
        with urlopen(request, timeout=_ASK_SECONDS) as response:  # noqa: S310 - checked above
            listed = json.load(response)
        return str(listed["data"][0]["id"])
    except (URLError, OSError, http.client.HTTPException, ValueError, LookupError, TypeError):
        return OPENAI_MODEL.partition("/")[2]
