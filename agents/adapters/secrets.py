"""The Secrets port: which credential reaches an agent's provider, remembered briefly."""

from dataclasses import dataclass
from uuid import UUID

from agents.cache import Cache
from skills.sdk import Credential, ModelUnauthorized, NotAvailable, Secret
from tenants import notify, selectors
from tenants.errors import SecretUnreadable
from tenants.selectors import OpenCredential
from tenants.threads import answered

CREDENTIAL_SECONDS = 60.0
CREDENTIALS_AT_MOST = 5_000

_Question = tuple[UUID, str, str | None, str | None]


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A credential, and whether models without a price may be called with it."""

    credential: Credential
    unpriced_allowed: bool


_opened: Cache[_Question, Opened] = Cache(size=CREDENTIALS_AT_MOST, ttl_s=CREDENTIAL_SECONDS)


class OwnersSecrets:
    """The credentials of the agent's organization. What a run was given once stays the same until it ends."""

    def __init__(self, organization_id: UUID) -> None:
        self._organization_id = organization_id
        self._given: dict[_Question, Opened] = {}

    async def credential(
        self, provider: str, *, reference: str | None = None, base_url: str | None = None
    ) -> Credential:
        """The credential by reference, else the organization's for `provider`, else the platform's.

        With `base_url`, only those stored with that very address.
        """
        return (await self.open(provider, reference=reference, base_url=base_url)).credential

    async def open(self, provider: str, *, reference: str | None = None, base_url: str | None = None) -> Opened:
        """The same, with what else is known of it. Raises NotAvailable, or ModelUnauthorized for one that is broken."""
        question = (self._organization_id, provider, reference, base_url)
        if question not in self._given:
            self._given[question] = await _opened.get(question, lambda: _open(question))
        return self._given[question]


async def _open(question: _Question) -> Opened:
    notify.start_listener()
    _, provider, reference, _ = question
    try:
        found = await answered(_find, question)
    except SecretUnreadable:
        raise ModelUnauthorized(
            f"The credential for {provider} cannot be opened: it needs to be stored again."
        ) from None
    if found is None:
        what = f"credential {reference!r}" if reference else f"credential for {provider}"
        raise NotAvailable(f"The agent's organization has no {what}: its owner has to add one.")
    credential = Credential(
        id=str(found.id),
        provider=found.provider,
        secret=Secret(found.secret.reveal()),
        base_url=found.base_url or None,
        platform=found.organization_id is None,
    )
    return Opened(credential=credential, unpriced_allowed=found.unpriced_allowed)


def _find(question: _Question) -> OpenCredential | None:
    organization_id, provider, reference, base_url = question
    own = selectors.provider_credential(
        organization_id=organization_id, provider=provider, reference=reference, base_url=base_url
    )
    if own is not None or reference is not None:
        return own
    return selectors.provider_credential(organization_id=None, provider=provider, base_url=base_url)


def _credential_changed(owner: str | None) -> None:
    if owner in (None, "platform"):
        _opened.drop()
    else:
        _opened.drop(lambda question, _: str(question[0]) == owner)


notify.subscribe("credential", _credential_changed)
