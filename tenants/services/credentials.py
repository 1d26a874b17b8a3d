"""Providers' credentials: stored sealed, replaced, removed; never shown."""

from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

from tenants import audit, context, notify, vault
from tenants.errors import InvalidCredential
from tenants.models import DataKey, ProviderCredential, belonging_to
from tenants.secret import Secret

PLATFORM_KEY: Final = "platform"
_LONGEST = 8_192
# Values some model libraries would look up in this process's own environment or at its cloud's identity service.
_REFERENCES = ("os.environ/", "oidc/", "env:", "file:", "vault:", "aws:", "azure:", "gcp:")


def store_credential(
    *,
    organization_id: UUID | None,
    provider: str,
    secret: Secret,
    label: str = "default",
    base_url: str = "",
    unpriced_allowed: bool | None = None,
) -> ProviderCredential:
    """Seal a provider's secret, in place of the one of that provider and label if there is one.

    Without an organization it is the platform's, and only platform work may store it, or set `unpriced_allowed`.
    """
    if not context.in_platform() and (organization_id is None or unpriced_allowed is not None):
        raise InvalidCredential("Only staff store credentials of the platform or allow models without a price.")
    value, base_url = check_credential(secret=secret, base_url=base_url)
    with context.atomic():
        row = (
            ProviderCredential.objects.select_for_update()
            .filter(belonging_to(organization_id), provider=provider, label=label)
            .first()
        )
        row = row or ProviderCredential(organization_id=organization_id, provider=provider, label=label)
        row.base_url = base_url
        if unpriced_allowed is not None:
            row.unpriced_allowed = unpriced_allowed
        row.data_key = vault.data_key_of(organization_id)
        row.sealed = vault.seal(Secret(value), place=place_of(row), data_key=row.data_key)
        row.last_four = value[-4:] if len(value) >= 16 else ""
        row.full_clean(exclude=("organization", "data_key"), validate_unique=False, validate_constraints=False)
        row.save()
        audit.record(action="credential.stored", object=row, organization_id=organization_id)
        _tell(organization_id)
    return row


def check_credential(*, secret: Secret, base_url: str = "") -> tuple[str, str]:
    """The secret and the address as they are stored; InvalidCredential says what is wrong with either."""
    return _checked_secret(secret), _checked_url(base_url)


def remove_credential(credential: ProviderCredential) -> None:
    """Forget a provider's secret."""
    with context.atomic():
        audit.record(action="credential.removed", object=credential, organization_id=credential.organization_id)
        _tell(credential.organization_id)
        credential.delete()


def rotate_data_key(organization_id: UUID | None) -> int:
    """Seal everything of an organization anew under a fresh data key, and destroy the old ones; how many values."""
    with context.atomic():
        old = list(DataKey.objects.select_for_update().filter(belonging_to(organization_id)))
        for data_key in old:
            vault.retire(data_key)
        fresh = vault.data_key_of(organization_id)
        moved = sum(_reseal(table, organization_id, fresh) for table in vault.sealed_tables())
        DataKey.objects.filter(pk__in=[data_key.pk for data_key in old]).delete()
        audit.record(action="datakey.rotated", object=fresh, organization_id=organization_id)
        _tell(organization_id)
    return moved


def rotate_kek() -> int:
    """Wrap every data key under the current key-encryption key; how many were still under the one before."""
    with context.platform_context(reason="rotate the key-encryption key"), context.atomic():
        changed = [data_key for data_key in DataKey.objects.select_for_update().iterator() if vault.rewrap(data_key)]
        if changed:
            audit.record(action="kek.rotated", detail={"data_keys": len(changed)})
    return len(changed)


def shred_secrets(organization_id: UUID) -> None:
    """Destroy an organization's data keys: whatever they sealed can never be read again, in backups either."""
    with context.atomic():
        ProviderCredential.objects.filter(organization_id=organization_id).delete()
        DataKey.objects.filter(organization_id=organization_id).delete()
        audit.record(action="secrets.shredded", organization_id=organization_id)
        _tell(organization_id)


def place_of(row: ProviderCredential) -> vault.Place:
    """Where a credential's secret stands."""
    return vault.place_in(row)


def _reseal(table: Any, organization_id: UUID | None, fresh: DataKey) -> int:
    rows = table.objects.select_for_update(of=("self",)).filter(belonging_to(organization_id), data_key__isnull=False)
    moved = list(rows.select_related("data_key"))
    for row in moved:
        secret = vault.unseal(row.sealed, place=vault.place_in(row), data_key=row.data_key)
        row.sealed, row.data_key = vault.seal(secret, place=vault.place_in(row), data_key=fresh), fresh
    table.objects.bulk_update(moved, ["sealed", "data_key"])
    return len(moved)


def _checked_secret(secret: Secret) -> str:
    value = secret.reveal().strip()
    if not value or len(value) > _LONGEST or not value.isprintable():
        raise InvalidCredential("A provider's secret is one line of text as the provider shows it.")
    if value.lower().startswith(_REFERENCES):
        raise InvalidCredential("Give the provider's secret itself, not a reference to where it is kept.")
    return value


def _checked_url(url: str) -> str:
    url = url.strip()
    if not url:
        return ""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise InvalidCredential("The provider's address is not a URL: write https://host/v1.") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise InvalidCredential("The provider's address starts with https:// or http:// and names a host.")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise InvalidCredential("The provider's address has no user, password, query or fragment in it.")
    return url.rstrip("/")


def _tell(organization_id: UUID | None) -> None:
    notify.publish("credential", str(organization_id) if organization_id else PLATFORM_KEY)
