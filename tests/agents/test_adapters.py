"""The other ports: credentials, the way out, and the rows of runs."""

from typing import Any
from uuid import UUID

import pytest
from django.db import OperationalError

from agents.adapters import run_writer as module
from agents.adapters.http import SafeHttp
from agents.adapters.run_writer import RunWriter, run_writer
from agents.adapters.secrets import OwnersSecrets
from agents.models import Agent, Run, RunContent
from agents.services.runs import start_run
from skills.sdk import ModelUnauthorized, NotAvailable, Secret, ToolFailed
from tenants import notify, secret
from tenants.context import organization_context, platform_context
from tenants.ids import uuid7
from tenants.models import Organization, ProviderCredential
from tenants.services import store_credential
from tenants.threads import in_thread
from tests.agents.cast import ask, caller_of, hosted
from tests.agents.test_selectors import until


def stored(organization: Organization | None, text: str, **fields: Any) -> ProviderCredential:
    """A provider's credential, kept for the organization or the platform."""
    scope = organization_context(organization.id) if organization else platform_context(reason="a test's credential")
    with scope:
        return store_credential(
            organization_id=organization.id if organization else None, secret=secret.Secret(text), **fields
        )


async def test_the_organizations_own_credential_comes_first(acme: Organization) -> None:
    provider = f"own{uuid7().hex[:8]}"
    await in_thread(stored, None, "sk-platform", provider=provider)
    platforms = await OwnersSecrets(acme.id).credential(provider)
    assert await in_thread(notify.listening, 5)
    await in_thread(stored, acme, "sk-ours", provider=provider)

    ours = await OwnersSecrets(acme.id).open(provider)

    async def changed() -> bool:
        return (await OwnersSecrets(acme.id).credential(provider)).secret == Secret("sk-ours")

    assert (platforms.platform, platforms.secret) == (True, Secret("sk-platform"))
    await until(changed)
    assert ours.unpriced_allowed is False


async def test_a_reference_is_one_of_the_organizations_own_or_nothing(acme: Organization, globex: Organization) -> None:
    provider = f"own{uuid7().hex[:8]}"
    await in_thread(stored, None, "sk-platform", provider=provider)
    theirs = await in_thread(stored, globex, "sk-theirs", provider=provider)
    ours = await in_thread(stored, acme, "sk-ours", provider=provider)

    found = await OwnersSecrets(acme.id).credential(provider, reference=str(ours.id))

    assert (found.secret, found.platform) == (Secret("sk-ours"), False)
    for reference in (str(theirs.id), "nonsense"):
        with pytest.raises(NotAvailable):
            await OwnersSecrets(acme.id).credential(provider, reference=reference)


async def test_an_address_gets_only_keys_that_are_stored_with_it(acme: Organization, globex: Organization) -> None:
    provider, address = f"own{uuid7().hex[:8]}", "https://models.example/v1"
    await in_thread(stored, globex, "sk-theirs", provider=provider, base_url=address)
    await in_thread(stored, acme, "sk-ours", provider=provider)
    await in_thread(stored, acme, "sk-elsewhere", provider=provider, label="b", base_url="https://models.example/v2")
    with pytest.raises(NotAvailable):
        await OwnersSecrets(acme.id).credential(provider, base_url=address)
    await in_thread(stored, None, "sk-platform", provider=provider, base_url=f"{address}/")

    platforms = await OwnersSecrets(acme.id).credential(provider, base_url=address)
    ours = await in_thread(stored, acme, "sk-bound", provider=provider, label="c", base_url=address)
    found = await OwnersSecrets(acme.id).credential(provider, reference=str(ours.id), base_url=address)

    assert (platforms.secret, platforms.platform, platforms.base_url) == (Secret("sk-platform"), True, address)
    assert (found.secret, found.platform) == (Secret("sk-bound"), False)
    with pytest.raises(NotAvailable):
        await OwnersSecrets(acme.id).credential(provider, reference="default", base_url=address)


async def test_a_credential_that_cannot_be_opened_has_to_be_stored_again(acme: Organization) -> None:
    provider = f"own{uuid7().hex[:8]}"
    await in_thread(stored, acme, "sk-ours", provider=provider)
    await in_thread(_spoil, acme)

    try:
        with pytest.raises(ModelUnauthorized, match="needs to be stored again"):
            await OwnersSecrets(acme.id).credential(provider)
    finally:
        await in_thread(_remove_credentials, acme)  # what cannot be opened is a fault of the whole platform's


def _spoil(organization: Organization) -> None:
    with organization_context(organization.id):
        ProviderCredential.objects.update(sealed=b"spoiled" * 10)


async def test_a_provider_nobody_has_a_key_for_is_not_available(acme: Organization) -> None:
    with pytest.raises(NotAvailable, match="nobody"):
        await OwnersSecrets(acme.id).credential("nobody")


async def test_a_run_keeps_the_credential_it_began_with(acme: Organization) -> None:
    provider = f"own{uuid7().hex[:8]}"
    await in_thread(stored, acme, "sk-first", provider=provider)
    secrets = OwnersSecrets(acme.id)
    first = await secrets.credential(provider)
    await in_thread(_remove_credentials, acme)

    assert await secrets.credential(provider) is first


def _remove_credentials(organization: Organization) -> None:
    with organization_context(organization.id):
        ProviderCredential.objects.all().delete()


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1/", "http://169.254.169.254/latest", "file:///etc/passwd", "nonsense"]
)
async def test_skills_reach_nothing_inside(url: str) -> None:
    with pytest.raises(ToolFailed):
        await SafeHttp().request("GET", url)


def row_for(agent: Agent, **fields: Any) -> dict[str, Any]:
    known = {
        "id": uuid7(), "organization_id": agent.organization_id, "agent_organization_id": agent.organization_id,
        "agent_id": agent.id, "version_id": agent.published_version_id, "address": agent.slug, "model": "m",
        "key_id": None, "request_id": "r", "test_mode": False, "started_at": "2026-01-01T00:00Z", "status": "running",
    }  # fmt: skip
    return known | fields


def _statuses(ids: list[UUID]) -> dict[UUID, str]:
    with platform_context(reason="look at a test's runs"):
        return dict(Run.objects.filter(id__in=ids).values_list("id", "status"))


async def test_the_latest_word_on_a_run_stands(acme: Organization) -> None:
    agent = await hosted(acme)
    writer, row = RunWriter(), row_for(agent)

    writer.write(row)
    writer.write({**row, "status": "finished", "ended_at": "2026-01-01T00:01Z"})

    assert await in_thread(writer.flush, timeout_s=10)
    assert await in_thread(_statuses, [row["id"]]) == {row["id"]: "finished"}


async def test_a_row_that_is_refused_does_not_take_the_others_with_it(acme: Organization) -> None:
    agent = await hosted(acme)
    good, bad, other = row_for(agent), row_for(agent, status="nonsense"), row_for(agent)
    writer = RunWriter()

    for row in (good, bad, other):
        writer.write(row)

    assert await in_thread(writer.flush, timeout_s=10)
    assert set(await in_thread(_statuses, [good["id"], bad["id"], other["id"]])) == {good["id"], other["id"]}


async def test_rows_wait_for_a_database_that_is_away(acme: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = await hosted(acme)
    writer, row = RunWriter(), row_for(agent)
    write, failures = module._upsert, iter([OperationalError("away"), OperationalError("away")])

    def sometimes(*args: Any) -> None:
        for failure in failures:
            raise failure
        write(*args)

    monkeypatch.setattr(module, "_upsert", sometimes)
    monkeypatch.setattr(module, "RETRY_S", 0.01)
    writer.write(row)

    assert await in_thread(writer.flush, timeout_s=10)
    assert await in_thread(_statuses, [row["id"]]) == {row["id"]: "running"}


@pytest.mark.parametrize("reply", ["half a pair: \ud800", "nothing: \0"])
async def test_what_cannot_be_stored_of_one_run_is_all_that_is_lost(acme: Organization, reply: str) -> None:
    agent = await hosted(acme)
    rows = [row_for(agent) for _ in range(3)]
    writer = RunWriter()

    for nth, row in enumerate(rows):
        text = reply if nth == 1 else "fine"
        writer.write(row, content={"id": row["id"], "organization_id": acme.id, "messages": [], "reply": text})
    writer.write(row_for(agent, request_id="half \ud800"))

    assert await in_thread(writer.flush, timeout_s=10)
    assert len(await in_thread(_statuses, [row["id"] for row in rows])) == 3
    assert await in_thread(_kept, acme) == {rows[0]["id"], rows[2]["id"]}
    assert writer._thread is not None
    assert writer._thread.is_alive()


def _kept(organization: Organization) -> set[UUID]:
    with organization_context(organization.id):
        return set(RunContent.objects.values_list("id", flat=True))


def test_when_too_many_wait_the_oldest_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 2)
    monkeypatch.setattr(RunWriter, "_work", lambda self: None)
    writer = RunWriter()

    for number in range(5):
        writer.write({"id": number}, content={"id": number})

    assert list(writer._waiting) == [3, 4]
    assert list(writer._contents) == [3, 4]
    assert not writer.flush(timeout_s=0.01)


async def test_a_process_has_one_writer(acme: Organization) -> None:
    assert run_writer() is run_writer()


async def test_an_agent_without_a_credential_says_so_when_it_runs(acme: Organization) -> None:
    agent = await hosted(acme, model="openai/gpt-test", price_per_run_nanos=0)
    stream = await start_run(caller=caller_of(acme), address=agent.slug, request=ask())

    with pytest.raises(ModelUnauthorized):
        [event async for event in stream]

    assert stream.receipt is not None
    assert stream.receipt.charged_nanos == 0
