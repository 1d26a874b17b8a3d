"""Providers that may also be a server of one's own: its address among the options, and which key it is sent."""

from pydantic import Field, field_validator
from yarl import URL

from skills.sdk.context import RunContext
from skills.sdk.errors import CredentialMissing, NotAvailable
from skills.sdk.model import ModelSkill
from skills.sdk.ports import Credential
from skills.sdk.provider_options import ProviderOptions

URL_CHARACTERS_MAX = 2_048


class ServerOptions(ProviderOptions):
    """Which server, with whose key, and how patiently."""

    base_url: str | None = Field(default=None, max_length=URL_CHARACTERS_MAX)
    """The server's address, up to /v1, unless it is the provider's. It gets only keys stored with this very address."""

    @field_validator("base_url")
    @classmethod
    def _is_an_address(cls, value: str | None) -> str | None:
        return None if value is None else _address(value)


async def reached(
    skill: ModelSkill, ctx: RunContext, options: ServerOptions, *, provider: str, at: str
) -> tuple[str, Credential | None]:
    """Where to send to, and with which key: one stored with the options' base_url, or with none.

    `at` is the provider's own address. A server of one's own may do without a key; one that was chosen may not be
    missing. Raises CredentialMissing.
    """
    chosen, base_url = options.credential, options.base_url
    try:
        credential = await skill.credential(ctx, provider, reference=chosen, base_url=base_url)
    except NotAvailable:
        if base_url is not None and chosen is None:
            return base_url, None
        missing = (
            f"The chosen credential for {provider} does not exist"
            if chosen
            else f"There is no credential for {provider}"
        )
        where = f"{missing}, or was not stored with the agent's base_url" if chosen and base_url else missing
        raise CredentialMissing(f"{where}. The agent's owner has to store one.") from None
    return base_url or credential.base_url or at, credential


def _address(value: str) -> str:
    """The address as credentials are stored with it."""
    value = value.strip()
    try:
        url = URL(value)
    except ValueError:
        raise ValueError("base_url is not a URL.") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError("base_url must begin with http:// or https:// and name a host.")
    if url.user is not None or url.password is not None or "@" in url.authority:
        raise ValueError("base_url must not carry a user name or password.")
    if url.query_string or url.fragment:
        raise ValueError("base_url must end with its path.")
    return value.rstrip("/")
