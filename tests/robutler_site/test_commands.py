"""What operators and scripts run: output, JSON, exit codes."""

import asyncio
import base64
import json
import os
import subprocess
import sys
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError

from billing import ledger
from tenants import selectors
from tenants.context import organization_context, platform_context
from tenants.models import Organization
from tenants.secret import Secret
from tenants.services import store_credential
from tests import make

DOLLAR = 1_000_000_000


def run(*arguments: str) -> str:
    out = StringIO()
    try:
        call_command(*arguments, stdout=out)
    except SystemExit as ended:
        ended.add_note(out.getvalue())
        raise
    return out.getvalue()


def run_json(*arguments: str) -> Any:
    return json.loads(run(*arguments, "--json"))


@pytest.fixture
def slug(database: None) -> str:
    """The slug of an organization made at the command line."""
    slug = make.unique("acme")
    run("create_organization", slug)
    return slug


def test_an_organization_begins_with_an_empty_wallet(database: None) -> None:
    slug = make.unique("acme")

    created = run_json("create_organization", slug, "--name", "Acme Ltd")

    assert (created["slug"], created["name"]) == (slug, "Acme Ltd")
    with platform_context(reason="test"):
        card = selectors.organization_by_slug(slug)
    assert card is not None
    assert ledger.balance(card.id).available == 0


def test_an_owner_gets_a_seat(database: None) -> None:
    slug = make.unique("acme")
    with platform_context(reason="test"):
        person = make.user()

    run("create_organization", slug, "--owner", person.email)

    assert [seat.organization.slug for seat in selectors.memberships_of(person.id)] == [slug]


def test_an_owner_who_does_not_exist_is_named(database: None) -> None:
    with pytest.raises(CommandError, match=r"nobody@example\.test"):
        run("create_organization", make.unique("acme"), "--owner", "nobody@example.test")


def test_a_slug_cannot_be_taken_twice(slug: str) -> None:
    with pytest.raises(CommandError):
        run("create_organization", slug)


def test_money_is_credited_exactly(slug: str) -> None:
    answer = run_json("top_up", "--organization", slug, "12.345678901")

    assert answer["amount_nanos"] == answer["available_nanos"] == "12345678901"


def test_the_same_top_up_is_credited_once(slug: str) -> None:
    same = str(uuid4())
    run("top_up", "--organization", slug, "5", "--id", same)

    answer = run_json("top_up", "--organization", slug, "5", "--id", same)

    assert answer["available_nanos"] == str(5 * DOLLAR)


@pytest.mark.parametrize("amount", ["0", "-1", "NaN", "Infinity", "1e30", "0.0000000001", "five"])
def test_an_amount_that_is_none_is_refused(slug: str, amount: str) -> None:
    with pytest.raises(CommandError):
        run("top_up", "--organization", slug, "--", amount)


def test_a_key_opens_its_organization(slug: str) -> None:
    answer = run_json("issue_key", "--organization", slug)

    assert caller_organization(answer["key"]) == slug


def test_a_key_carries_only_known_permissions(slug: str) -> None:
    with pytest.raises(CommandError, match="fly"):
        run("issue_key", "--organization", slug, "--permission", "fly")


@pytest.mark.parametrize("command", [["issue_key"], ["top_up", "1"], ["create_agent", "a", "--model", "scripted/x"]])
def test_an_organization_that_does_not_exist_is_named(database: None, command: list[str]) -> None:
    with pytest.raises(CommandError, match="no-such-tenant"):
        run(*command, "--organization", "no-such-tenant")


def test_an_agent_is_published_at_its_address(slug: str) -> None:
    answer = run_json(
        "create_agent", "helper", "--organization", slug, "--model", "scripted/persona", "--skill", "clock"
    )

    assert (answer["address"], answer["version"]) == (f"{slug}/helper", 1)


def test_a_draft_stays_one(slug: str) -> None:
    answer = run_json("create_agent", "helper", "--organization", slug, "--model", "scripted/persona", "--draft")

    assert answer["version"] is None


def test_an_agent_with_an_unknown_skill_is_refused(slug: str) -> None:
    with pytest.raises(CommandError, match="teleport"):
        run("create_agent", "helper", "--organization", slug, "--model", "scripted/persona", "--skill", "teleport")


def test_people_read_a_table(slug: str) -> None:
    written = run("issue_key", "--organization", slug)

    assert "organization" in written
    assert slug in written


def test_the_books_balance(slug: str) -> None:
    run("top_up", "--organization", slug, "1")

    checks = run_json("reconcile")

    assert {check["violations"] for check in checks} == {0}
    assert [check["check"] for check in checks].count("debits equal credits") == 1


def test_the_embedded_server_is_not_offered_beside_another(database: None) -> None:
    with pytest.raises(CommandError, match="DATABASE_URL"):
        run("postgres", "url")


def caller_organization(key: str) -> str:
    return asyncio.run(selectors.caller_for(key)).organization_slug


def manage(environment: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        env=environment,
        cwd=environment["PYTHONPATH"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def refusal(environment: dict[str, str], *arguments: str) -> str:
    """Run a command that cannot be carried out; return what it said."""
    ran = manage(environment, *arguments)
    assert ran.returncode in {1, 2}, ran
    assert "Traceback" not in ran.stderr
    return ran.stderr


def test_an_agent_can_be_asked_from_the_command_line(slug: str, site_environment: dict[str, str]) -> None:
    run("top_up", "--organization", slug, "1")
    run(
        *("create_agent", "helper", "--organization", slug, "--model", "scripted/persona"),
        *("--skill", "calculator", "--price-per-run-nanos", "1000"),
    )
    key = run_json("issue_key", "--organization", slug)["key"]

    answered = manage(site_environment, "run_agent", "helper", "What is 6 * 7?", "--key", key, "--json")

    answer = json.loads(answered.stdout)
    assert (answer["status"], answer["charged_nanos"]) == ("finished", "1000"), answered.stderr
    assert "42" in answer["answer"]


def test_an_agent_that_is_not_there_is_an_error(slug: str, site_environment: dict[str, str]) -> None:
    key = run_json("issue_key", "--organization", slug)["key"]

    answered = manage(site_environment, "run_agent", "nobody", "Hello?", "--key", key)

    assert answered.returncode == 1
    assert "Traceback" not in answered.stderr


def test_nobody_is_asked_without_a_key(database: None) -> None:
    with pytest.raises(CommandError, match="ROBUTLER_API_KEY"):
        run("run_agent", "helper", "Hello?")


def test_the_doctor_misses_a_worker(site_environment: dict[str, str]) -> None:
    examined = manage(site_environment, "doctor", "--json")

    states = {finding["check"]: finding["state"] for finding in json.loads(examined.stdout)}
    assert examined.returncode == 1
    assert [check for check, state in states.items() if state == "bad"] == ["worker"]


def test_a_slug_of_the_wrong_form_is_named_with_the_right_one(site_environment: dict[str, str]) -> None:
    said = refusal(site_environment, "create_organization", "Bad Slug!")

    assert "'Bad Slug!' is no slug: write lower-case letters, digits and hyphens" in said


def test_a_reserved_slug_is_named(site_environment: dict[str, str]) -> None:
    assert "/admin belongs to the platform" in refusal(site_environment, "create_organization", "admin")


def test_an_agent_cannot_be_made_twice(slug: str, site_environment: dict[str, str]) -> None:
    command = ("create_agent", "helper", "--organization", slug, "--model", "scripted/persona")
    run(*command)

    assert f"{slug} has an agent helper already" in refusal(site_environment, *command)


def test_a_permission_that_does_not_exist_is_answered_with_those_that_do(
    slug: str, site_environment: dict[str, str]
) -> None:
    said = refusal(site_environment, "issue_key", "--organization", slug, "--permission", "nonsense")

    assert "nonsense" in said
    assert "chat:write" in said


def test_data_keys_move_to_a_new_kek(acme: Organization, site_environment: dict[str, str]) -> None:
    with organization_context(acme.id):
        store_credential(organization_id=acme.id, provider="openai", secret=Secret("sk-secret"))
    old, new = settings.ROBUTLER.kek, base64.b64encode(os.urandom(32)).decode()
    forth = {**site_environment, "ROBUTLER_KEK": new, "ROBUTLER_PREVIOUS_KEK": old}
    back = {**site_environment, "ROBUTLER_KEK": old, "ROBUTLER_PREVIOUS_KEK": new}

    moved = manage(forth, "rotate_kek", "--json")
    again = manage(forth, "rotate_kek")
    returned = manage(back, "rotate_kek", "--json")

    assert json.loads(moved.stdout)["wrapped_anew"] == json.loads(returned.stdout)["wrapped_anew"] >= 1
    assert again.stdout == "0 data keys were wrapped anew; ROBUTLER_PREVIOUS_KEK is needed no more.\n"


def test_a_rotation_without_the_key_before_says_which_to_set(
    acme: Organization, site_environment: dict[str, str]
) -> None:
    with organization_context(acme.id):
        store_credential(organization_id=acme.id, provider="openai", secret=Secret("sk-secret"))

    said = refusal({**site_environment, "ROBUTLER_KEK": "A" * 43 + "="}, "rotate_kek")

    assert "ROBUTLER_PREVIOUS_KEK" in said
