"""Providers' credentials on both sites: written, replaced, forgotten; never rendered back."""

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from tenants import selectors
from tenants.context import organization_context, platform_context
from tenants.models import AuditEvent, Organization, ProviderCredential
from tests import make
from tests.admin.cast import fields, member, page, staff, submit, text

SECRET = "sk-a-secret-nobody-sees-again-0123"
FORM = "providercredential_form"


@pytest.fixture
def us(acme: Organization) -> Client:
    return member(acme)


def stored(organization: Organization) -> ProviderCredential:
    with organization_context(organization.id):
        return ProviderCredential.objects.get()


def opened(organization: Organization | None, provider: str) -> str:
    found = selectors.provider_credential(organization_id=organization.id if organization else None, provider=provider)
    return found.secret.reveal() if found else ""


def add(client: Client, *, site: str = "console", **changes: str) -> object:
    known = {"provider": "openai", "label": "default", "secret": SECRET}
    return submit(client, page(site, ProviderCredential, "add"), FORM, **{**known, **changes})


def test_a_secret_is_sealed_and_never_rendered_back(acme: Organization, us: Client) -> None:
    add(us)

    row = stored(acme)
    pages = [page("console", ProviderCredential, "changelist")]
    pages += [page("console", ProviderCredential, kind, row.pk) for kind in ("change", "history", "delete")]
    bodies = [text(us.get(address)) for address in pages]
    with organization_context(acme.id):
        events = str(list(AuditEvent.objects.values()))
    entries = str(list(LogEntry.objects.filter(object_id=row.pk).values()))
    assert opened(acme, "openai") == SECRET
    assert not [said for said in (*bodies, events, entries) if SECRET in said]


def test_a_form_that_was_wrong_does_not_repeat_the_secret(us: Client) -> None:
    answer = add(us, base_url="nonsense://")

    assert SECRET not in text(answer)
    assert answer.context["adminform"].form.errors  # type: ignore[attr-defined]


@pytest.mark.parametrize("secret", ["os.environ/AWS_SECRET", "file:/etc/passwd", "x" * 8193])
def test_a_reference_is_no_secret(acme: Organization, us: Client, secret: str) -> None:
    answer = add(us, secret=secret)

    assert answer.context["adminform"].form.errors  # type: ignore[attr-defined]
    assert opened(acme, "openai") == ""


def test_saving_again_replaces_the_secret(acme: Organization, us: Client) -> None:
    add(us)
    address = page("console", ProviderCredential, "change", stored(acme).pk)

    emptied = submit(us, address, FORM)
    submit(us, address, FORM, secret="sk-the-next-one-0123456789")

    assert list(emptied.context["adminform"].form.errors) == ["secret"]
    assert opened(acme, "openai") == "sk-the-next-one-0123456789"
    assert fields(us.get(address), FORM).get("secret", "") == ""


def test_a_deleted_credential_is_gone(acme: Organization, us: Client) -> None:
    add(us)

    us.post(page("console", ProviderCredential, "delete", stored(acme).pk), {"post": "yes"})

    assert opened(acme, "openai") == ""
    with organization_context(acme.id):
        assert AuditEvent.objects.filter(action="credential.removed").exists()


def test_staff_store_the_platforms(database: None) -> None:
    provider = make.unique("vendor")

    add(staff(), site="admin", provider=provider, unpriced_allowed="on", base_url="https://models.example/v1")

    with platform_context(reason="a test"):
        row = ProviderCredential.objects.get(provider=provider)
    assert (row.organization_id, row.unpriced_allowed, row.base_url) == (None, True, "https://models.example/v1")
    assert opened(None, provider) == SECRET


def test_staff_do_not_see_an_organizations(acme: Organization, us: Client) -> None:
    label = make.unique("ours")
    add(us, label=label)
    them = staff()

    single = them.get(page("admin", ProviderCredential, "change", stored(acme).pk), follow=True)

    assert label not in text(single)
    assert label not in text(them.get(page("admin", ProviderCredential, "changelist")))


def test_members_do_not_see_the_platforms(us: Client) -> None:
    label = make.unique("platforms")
    add(staff(), site="admin", provider="anthropic", label=label)

    assert label not in text(us.get(page("console", ProviderCredential, "changelist")))
    assert "unpriced_allowed" not in fields(us.get(page("console", ProviderCredential, "add")), FORM)
