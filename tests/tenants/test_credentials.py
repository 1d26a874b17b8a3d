"""Providers' secrets: sealed where they stand, opened nowhere else, and gone when their key is."""

import base64
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from tenants import vault
from tenants.context import organization_context, platform_context
from tenants.errors import InvalidCredential, SecretUnreadable
from tenants.models import AuditEvent, DataKey, Organization, ProviderCredential
from tenants.secret import Secret
from tenants.selectors import provider_credential
from tenants.services import remove_credential, rotate_data_key, rotate_kek, shred_secrets, store_credential
from tenants.services.credentials import place_of
from tests import make

KEY = "sk-planted-0123456789abcdef"


def stored(organization: Organization, **options: Any) -> ProviderCredential:
    with organization_context(organization.id):
        return store_credential(
            organization_id=organization.id, **{"provider": "openai", "secret": Secret(KEY), **options}
        )


@contextmanager
def environment(**changes: Any) -> Iterator[None]:
    """The same installation with other settings."""
    before = settings.ROBUTLER
    settings.ROBUTLER = before.model_copy(update=changes)
    try:
        yield
    finally:
        settings.ROBUTLER = before


def test_a_stored_secret_opens_again(acme: Organization) -> None:
    row = stored(acme, base_url="https://models.example.test/v1/")

    found = provider_credential(organization_id=acme.id, provider="openai")

    assert found is not None
    assert (found.id, found.secret.reveal(), found.base_url) == (row.id, KEY, "https://models.example.test/v1")


def test_a_secret_does_not_stand_in_its_table(acme: Organization) -> None:
    row = stored(acme)

    with organization_context(acme.id), connection.cursor() as cursor:
        cursor.execute("SELECT c::text, c.sealed FROM tenants_providercredential c WHERE id = %s", [row.id])
        text, sealed = cursor.fetchone()

    assert KEY not in text
    assert KEY.encode() not in bytes(sealed)


def test_a_credential_never_prints_its_secret(acme: Organization) -> None:
    stored(acme)

    found = provider_credential(organization_id=acme.id, provider="openai")

    assert KEY not in repr(found)


def test_a_neighbour_has_no_use_of_it(acme: Organization, globex: Organization) -> None:
    row = stored(acme)

    assert provider_credential(organization_id=globex.id, provider="openai") is None
    assert provider_credential(organization_id=globex.id, provider="openai", reference=str(row.id)) is None


def test_it_is_found_by_label_or_id_else_the_oldest(acme: Organization) -> None:
    first, second = stored(acme), stored(acme, label="spare")

    found = [
        provider_credential(organization_id=acme.id, provider="openai", reference=reference)
        for reference in (None, "spare", str(first.id), "absent")
    ]

    assert [one.id if one else None for one in found] == [first.id, second.id, first.id, None]


def test_storing_again_replaces(acme: Organization) -> None:
    first = stored(acme)
    second = stored(acme, secret=Secret("sk-other-0123456789abcdef"))

    found = provider_credential(organization_id=acme.id, provider="openai")

    assert found is not None
    assert (second.id, found.secret.reveal()) == (first.id, "sk-other-0123456789abcdef")


def test_a_removed_credential_is_gone(acme: Organization) -> None:
    row = stored(acme)
    with organization_context(acme.id):
        remove_credential(row)
        events = set(AuditEvent.objects.values_list("action", flat=True))

    assert provider_credential(organization_id=acme.id, provider="openai") is None
    assert {"credential.stored", "credential.removed"} <= events


@pytest.mark.parametrize("field", ["organization_id", "table", "row", "column"])
def test_a_sealed_value_opens_in_its_place_only(acme: Organization, globex: Organization, field: str) -> None:
    row = stored(acme)
    elsewhere = {"organization_id": globex.id, "table": "agents_agent", "row": globex.id, "column": "base_url"}
    place = vault.Place(**{**vars(place_of(row)), field: elsewhere[field]})

    with pytest.raises(SecretUnreadable):
        vault.unseal(row.sealed, place=place, data_key=row.data_key)


def test_a_changed_byte_is_noticed(acme: Organization) -> None:
    row = stored(acme)
    sealed = bytearray(row.sealed)
    sealed[-1] ^= 1

    with pytest.raises(SecretUnreadable):
        vault.unseal(bytes(sealed), place=place_of(row), data_key=row.data_key)


def test_a_data_key_of_another_organization_does_not_open(acme: Organization, globex: Organization) -> None:
    ours, theirs = stored(acme), stored(globex)
    theirs.data_key.organization_id = acme.id

    with pytest.raises(SecretUnreadable):
        vault.unseal(ours.sealed, place=place_of(ours), data_key=theirs.data_key)


def test_the_platforms_own_credential_is_staffs(acme: Organization) -> None:
    label = make.unique("platform")
    with platform_context(reason="a test"):
        store_credential(
            organization_id=None, provider="openai", secret=Secret(KEY), label=label, unpriced_allowed=True
        )

    found = provider_credential(organization_id=None, provider="openai", reference=label)
    with organization_context(acme.id):
        seen = ProviderCredential.objects.filter(label=label).count()

    assert found is not None
    assert (found.secret.reveal(), found.unpriced_allowed, found.organization_id, seen) == (KEY, True, None, 0)


@pytest.mark.parametrize("forged", [{"organization_id": None}, {"unpriced_allowed": True}])
def test_a_member_stores_nothing_for_the_platform(acme: Organization, forged: dict[str, Any]) -> None:
    asked = {"organization_id": acme.id, "provider": "openai", "secret": Secret(KEY), **forged}

    with organization_context(acme.id), pytest.raises(InvalidCredential, match="staff"):
        store_credential(**asked)


@pytest.mark.parametrize("secret", ["os.environ/HOME", "oidc/google", "OS.ENVIRON/X", "", "  ", "a\nb", "x" * 9_000])
def test_a_reference_is_no_secret(acme: Organization, secret: str) -> None:
    with pytest.raises(InvalidCredential):
        stored(acme, secret=Secret(secret))


@pytest.mark.parametrize(
    "url",
    [
        "ftp://models.example.test",
        "file:///etc/passwd",
        "models.example.test",
        "https://",
        "https://user:password@models.example.test",
        "https://models.example.test/?key=1",
        "https://models.example.test/#x",
        "https://[::1",
        "https://models.example.test:99999",
        "os.environ/URL",
    ],
)
def test_an_address_is_a_plain_one(acme: Organization, url: str) -> None:
    with pytest.raises(InvalidCredential, match="address"):
        stored(acme, base_url=url)


def test_rotating_the_data_key_keeps_secrets_and_destroys_the_old_key(acme: Organization) -> None:
    before = stored(acme)
    with organization_context(acme.id):
        moved = rotate_data_key(acme.id)
        left = list(DataKey.objects.values_list("id", flat=True))

    found = provider_credential(organization_id=acme.id, provider="openai")

    assert (moved, len(left)) == (1, 1)
    assert before.data_key_id not in left
    assert found is not None
    assert found.secret.reveal() == KEY


def test_a_new_kek_opens_what_the_one_before_wrapped_and_rotation_moves_over(acme: Organization) -> None:
    stored(acme)
    old, new = settings.ROBUTLER.kek, base64.b64encode(os.urandom(32)).decode()

    with environment(kek=new, previous_kek=old):
        before = provider_credential(organization_id=acme.id, provider="openai")
        moved, again = rotate_kek(), rotate_kek()
    with environment(kek=new):
        after = provider_credential(organization_id=acme.id, provider="openai")
    with environment(kek=old, previous_kek=new):
        rotate_kek()

    assert before is not None
    assert after is not None
    assert (before.secret.reveal(), after.secret.reveal(), again) == (KEY, KEY, 0)
    assert moved >= 1


def test_without_its_kek_nothing_opens(acme: Organization) -> None:
    stored(acme)

    with (
        environment(kek=base64.b64encode(os.urandom(32)).decode()),
        pytest.raises(SecretUnreadable, match="ROBUTLER_KEK"),
    ):
        provider_credential(organization_id=acme.id, provider="openai")
    with environment(kek=""), pytest.raises(SecretUnreadable, match="ROBUTLER_KEK"):
        provider_credential(organization_id=acme.id, provider="openai")


def test_a_tampered_data_key_does_not_open(acme: Organization) -> None:
    row = stored(acme)
    row.data_key.wrapped = os.urandom(60)

    with pytest.raises(SecretUnreadable):
        vault.unseal(row.sealed, place=place_of(row), data_key=row.data_key)


def test_shredding_leaves_no_key_to_open_a_copy_with(acme: Organization) -> None:
    stored(acme)
    with organization_context(acme.id):
        shred_secrets(acme.id)
        left = DataKey.objects.count() + ProviderCredential.objects.count()

    assert left == 0
    assert provider_credential(organization_id=acme.id, provider="openai") is None


def test_credentials_and_data_keys_name_themselves(acme: Organization) -> None:
    row = stored(acme)

    assert (str(row), str(row.data_key)) == ("openai/default", str(row.data_key.id))
