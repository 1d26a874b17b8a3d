"""API keys as text and as rows: their form, what is kept of them, and whose rights they pass on."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from tenants import keys
from tenants.context import organization_context
from tenants.errors import InvalidKey, PermissionMissing
from tenants.models import ApiKey, AuditEvent, Organization
from tenants.permissions import AGENTS_WRITE, BILLING_READ, CHAT_WRITE
from tenants.roles import Role
from tenants.services import issue_key, note_use, revoke_key, write_uses
from tests import make


@pytest.mark.parametrize(("test_mode", "prefix"), [(False, "rb_live_"), (True, "rb_test_")])
def test_a_key_says_its_mode_and_has_its_form(*, test_mode: bool, prefix: str) -> None:
    text = keys.generate(test_mode=test_mode).reveal()

    assert text.startswith(prefix)
    assert len(text) == len(prefix) + 12 + 1 + 32 + 6
    assert keys.recognise(text).test_mode is test_mode


def test_keys_differ() -> None:
    assert len({keys.generate().reveal() for _ in range(100)}) == 100


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: "",
        lambda text: "sk-" + text,
        lambda text: text[:-1],
        lambda text: text + "0",
        lambda text: text[:30] + ("a" if text[30] != "a" else "b") + text[31:],
        lambda text: text.replace("rb_live_", "rb_test_"),
        lambda text: text.upper(),
        lambda text: text + "\n",
        lambda text: text[:20] + "é" + text[21:],
        lambda text: text[:20] + "٣" + text[21:],
        lambda text: "x" * 1_000_000,
    ],
)
def test_anything_else_is_no_key(spoil: Callable[[str], str]) -> None:
    with pytest.raises(InvalidKey):
        keys.recognise(spoil(keys.generate().reveal()))


def test_a_key_never_prints() -> None:
    text = keys.generate()

    assert text.reveal() not in f"{text} {text!r} {[text]}"


def test_a_digest_fits_its_key_only() -> None:
    first, second = keys.generate().reveal(), keys.generate().reveal()
    kept = keys.digest(first)

    assert kept is not None
    assert keys.matches(first, kept=kept, pepper_version=keys.current_pepper_version())
    assert not keys.matches(second, kept=kept, pepper_version=keys.current_pepper_version())
    assert not keys.matches(first, kept=kept, pepper_version=keys.current_pepper_version() + 7)


def test_the_key_itself_is_kept_nowhere(acme: Organization) -> None:
    text = make.key(acme)

    with organization_context(acme.id), connection.cursor() as cursor:
        cursor.execute("SELECT k::text FROM tenants_apikey k UNION ALL SELECT a::text FROM tenants_auditevent a")
        kept = " ".join(row[0] for row in cursor.fetchall())

    assert text not in kept
    assert text[21:53] not in kept
    assert text.encode().hex() not in kept


def test_a_person_passes_on_no_more_than_the_seat_allows(acme: Organization) -> None:
    viewer = make.member(acme, Role.VIEWER).user

    with organization_context(acme.id), pytest.raises(PermissionMissing, match="agents:write"):
        issue_key(organization_id=acme.id, name="wide", permissions={CHAT_WRITE, AGENTS_WRITE}, created_by=viewer)


def test_a_person_passes_on_what_the_seat_allows(acme: Organization) -> None:
    viewer = make.member(acme, Role.VIEWER).user

    with organization_context(acme.id):
        key, _ = issue_key(organization_id=acme.id, name="chat", permissions={CHAT_WRITE}, created_by=viewer)

    assert key.permissions == [CHAT_WRITE]


def test_a_stranger_makes_no_key(acme: Organization, globex: Organization) -> None:
    stranger = make.member(globex, Role.OWNER).user

    with organization_context(acme.id), pytest.raises(PermissionMissing):
        issue_key(organization_id=acme.id, name="forged", permissions={CHAT_WRITE}, created_by=stranger)


def test_staff_make_keys_without_a_seat(acme: Organization) -> None:
    with organization_context(acme.id):
        key, _ = issue_key(
            organization_id=acme.id, name="help", permissions={BILLING_READ}, created_by=make.user(is_staff=True)
        )

    assert key.permissions == [BILLING_READ]


def test_no_key_carries_what_only_people_may(acme: Organization) -> None:
    with organization_context(acme.id), pytest.raises(PermissionMissing, match="members:write"):
        issue_key(organization_id=acme.id, name="all", permissions={"members:write"})


def test_a_revoked_key_stays_revoked_since_then(acme: Organization) -> None:
    with organization_context(acme.id):
        key, _ = issue_key(organization_id=acme.id, name="old")
        revoke_key(key)
        first = key.revoked_at
        revoke_key(key)
        events = AuditEvent.objects.filter(action="key.revoked", object_id=str(key.pk)).count()

    assert not key.is_usable
    assert (key.revoked_at, events) == (first, 1)


def test_a_key_past_its_time_is_not_usable() -> None:
    assert not ApiKey(expires_at=timezone.now() - timedelta(seconds=1)).is_usable
    assert ApiKey(expires_at=timezone.now() + timedelta(hours=1)).is_usable


def test_the_last_use_is_written_in_one_batch(acme: Organization, globex: Organization) -> None:
    issued = []
    for owner in (acme, globex):
        with organization_context(owner.id):
            issued.append(issue_key(organization_id=owner.id, name="used")[0])
    write_uses()
    for key in issued:
        note_use(key.id)

    written = write_uses()

    with organization_context(acme.id):
        issued[0].refresh_from_db()
    assert written == 2
    assert issued[0].last_used_at is not None
    assert write_uses() == 0


def test_a_key_names_itself_by_its_end(acme: Organization) -> None:
    with organization_context(acme.id):
        key, text = issue_key(organization_id=acme.id, name="mine")

    assert str(key) == f"mine (…{text.reveal()[-4:]})"


def test_uses_that_cannot_be_written_are_let_go(database: None) -> None:
    note_use("not a uuid")  # type: ignore[arg-type]

    assert write_uses() == 0
    assert write_uses() == 0
