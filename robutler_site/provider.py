"""Whose models the demonstration uses: a provider found in the environment, else our own scripted one."""

import http.client
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

SCRIPTED_MODEL = "scripted/persona"
OPENAI_MODEL = "openai/gpt-4o-mini"
ANTHROPIC_MODEL = "anthropic/claude-haiku-4-5"

_ASK_SECONDS = 5.0
_PORTS = {"http": 80, "https": 443}
# What servers answer to that want no key.
_NO_KEY = "none"
_UNLISTED = "{base_url} does not say which models it has, so {model} is asked for; set OPENAI_MODEL to choose another."


class ProviderUnusable(Exception):
    """The environment names a provider that cannot be used; the message names the variable."""


@dataclass(frozen=True, kw_only=True)
class Provider:
    """A model and what reaches it; without a secret nothing needs to be reached."""

    model: str
    secret: str = ""
    base_url: str = ""
    remark: str = ""

    @property
    def name(self) -> str:
        """The provider's name, the first half of the model's."""
        return self.model.partition("/")[0]

    @property
    def place(self) -> str:
        """Where a server of one's own listens, as host:port; empty for a public provider."""
        parts = urlsplit(self.base_url)
        return f"{parts.hostname}:{parts.port or _PORTS.get(parts.scheme, 0)}" if parts.hostname else ""

    @property
    def advice(self) -> str:
        """Where to look when a call of the model does not succeed."""
        if self.base_url:
            return (
                f"{self.model} was asked at {self.base_url}, which OPENAI_BASE_URL names: see that this is the address "
                "of an OpenAI-compatible API, such as http://127.0.0.1:11434/v1, and that it serves that model; "
                "OPENAI_MODEL names another."
            )
        if self.secret:
            return (
                f"{self.model} was asked with {self.name.upper()}_API_KEY: see that this key is valid and has credit."
            )
        return ""


def from_environment(environment: Mapping[str, str] = os.environ) -> Provider:
    """Return the provider that the environment names."""
    base_url = environment.get("OPENAI_BASE_URL", "").strip().rstrip("/")
    openai_key = environment.get("OPENAI_API_KEY", "").strip()
    anthropic_key = environment.get("ANTHROPIC_API_KEY", "").strip()
    chosen = environment.get("OPENAI_MODEL", "").strip()
    if base_url:
        secret = openai_key or _NO_KEY
        listed = _first_model(base_url, secret)
        model = chosen or listed or OPENAI_MODEL.partition("/")[2]
        remark = "" if chosen or listed else _UNLISTED.format(base_url=base_url, model=model)
        return Provider(model=f"openai/{model}", secret=secret, base_url=base_url, remark=remark)
    if openai_key:
        return Provider(model=f"openai/{chosen}" if chosen else OPENAI_MODEL, secret=openai_key)
    if anthropic_key:
        return Provider(model=ANTHROPIC_MODEL, secret=anthropic_key)
    return Provider(model=SCRIPTED_MODEL)


def _first_model(base_url: str, secret: str) -> str:
    """Ask a server of one's own what it serves; the first will do. Empty when it answers, but does not say."""
    _check_address(base_url)
    request = Request(f"{base_url}/models", headers={"Authorization": f"Bearer {secret}"})  # noqa: S310 - checked above
    try:
        with urlopen(request, timeout=_ASK_SECONDS) as response:  # noqa: S310 - checked above
            return str(json.load(response)["data"][0]["id"])
    except (HTTPError, http.client.HTTPException, ValueError, LookupError, TypeError):
        return ""
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise ProviderUnusable(
            f"OPENAI_BASE_URL: nothing answers at {base_url} ({reason}). Start that server, write the address of "
            "another, such as http://127.0.0.1:11434/v1, or unset OPENAI_BASE_URL to use the scripted model."
        ) from None


def _check_address(base_url: str) -> None:
    try:
        parts = urlsplit(base_url)
        usable = parts.scheme in _PORTS and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ProviderUnusable(
            f"OPENAI_BASE_URL: {base_url!r} is not the address of a server: write http://host:port/v1, "
            "such as http://127.0.0.1:11434/v1, or unset it."
        )
