"""Sealing secrets: AES-256-GCM under a key of each organization, itself wrapped by the installation's key."""

import hashlib
import os
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.db import IntegrityError
from django.db.models import Model
from django.utils import timezone

from tenants.context import atomic
from tenants.errors import SecretUnreadable
from tenants.models import DataKey, belonging_to
from tenants.secret import Secret

_NONCE_BYTES = 12
_KEY_BITS = 256


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a sealed value stands. It opens nowhere else: not in another row, column, table or organization."""

    organization_id: UUID | None
    table: str
    row: UUID
    column: str

    @property
    def associated_data(self) -> bytes:
        """What is authenticated with the value."""
        return f"{self.organization_id or 'platform'}|{self.table}|{self.row}|{self.column}".encode()


def place_in(row: Any) -> Place:
    """Where the one secret of a row stands; rows that keep it so are sealed anew when the data key is replaced."""
    return Place(organization_id=row.organization_id, table=row._meta.db_table, row=row.pk, column="secret")


def sealed_tables() -> tuple[type[Model], ...]:
    """Every table that seals a secret under a data key, in `sealed`, whichever package it is in."""
    relations = DataKey._meta.get_fields(include_hidden=True)
    pointing = [field.related_model for field in relations if field.one_to_many and field.auto_created]
    return tuple(table for table in pointing if table is not None)


def data_key_of(organization_id: UUID | None) -> DataKey:
    """The key in use for an organization (None: the platform), made on first use."""
    rows = DataKey.objects.filter(belonging_to(organization_id), retired_at=None)
    found = rows.first()
    if found is not None:
        return found
    made = DataKey(organization_id=organization_id)
    made.wrapped, made.wrapped_by = _wrap(made, AESGCM.generate_key(_KEY_BITS))
    try:
        with atomic():
            made.save(force_insert=True)
    except IntegrityError:  # another process was faster
        return rows.get()
    return made


def seal(value: Secret, *, place: Place, data_key: DataKey) -> bytes:
    """The value as it may be stored."""
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(_unwrap(data_key)).encrypt(nonce, value.reveal().encode(), place.associated_data)


def unseal(sealed: bytes | memoryview, *, place: Place, data_key: DataKey) -> Secret:
    """The value again; SecretUnreadable when its key, its place or its bytes are not those it was sealed with."""
    nonce, rest = bytes(sealed[:_NONCE_BYTES]), bytes(sealed[_NONCE_BYTES:])
    try:
        plain = AESGCM(_unwrap(data_key)).decrypt(nonce, rest, place.associated_data)
    except InvalidTag:
        raise SecretUnreadable(
            f"The {place.column} of {place.table} {place.row} does not open; store it again."
        ) from None
    return Secret(plain.decode())


def retire(data_key: DataKey) -> None:
    """Seal nothing new with this key; what it sealed still opens."""
    data_key.retired_at = timezone.now()
    data_key.save(update_fields=["retired_at"])


def rewrap(data_key: DataKey) -> bool:
    """Wrap a data key anew when the key-encryption key has changed; whether that was needed."""
    if data_key.wrapped_by == _fingerprint(_kek()):
        return False
    data_key.wrapped, data_key.wrapped_by = _wrap(data_key, _unwrap(data_key))
    data_key.save(update_fields=["wrapped", "wrapped_by"])
    return True


def _wrap(data_key: DataKey, plain: bytes) -> tuple[bytes, str]:
    kek = _kek()
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(kek).encrypt(nonce, plain, _place_of(data_key)), _fingerprint(kek)


def _unwrap(data_key: DataKey) -> bytes:
    wrapped = bytes(data_key.wrapped)
    for kek in (_kek(), settings.ROBUTLER.key("previous_kek")):
        if kek and _fingerprint(kek) == data_key.wrapped_by:
            try:
                return AESGCM(kek).decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], _place_of(data_key))
            except InvalidTag:
                break
    raise SecretUnreadable(f"Data key {data_key.id} does not open: set ROBUTLER_KEK to the key that wrapped it.")


def _kek() -> bytes:
    kek = settings.ROBUTLER.key("kek")
    if kek is None:
        raise SecretUnreadable("There is no key-encryption key: set ROBUTLER_KEK.")
    return kek


def _place_of(data_key: DataKey) -> bytes:
    place = Place(organization_id=data_key.organization_id, table="tenants_datakey", row=data_key.id, column="wrapped")
    return place.associated_data


def _fingerprint(kek: bytes) -> str:
    return hashlib.sha256(b"robutler kek" + kek).hexdigest()[:16]
