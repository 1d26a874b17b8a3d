"""What holds for a key: the platform's defaults, what staff said instead, what members lowered; who may say what."""

import pytest
from django.conf import settings
from django.db import IntegrityError, ProgrammingError

from tenants import limits
from tenants.caller import Caller
from tenants.context import organization_context, platform_context
from tenants.errors import AddressNotAllowed, InvalidNetwork, TooManyRules
from tenants.keys import recognise
from tenants.limits import Limits, default_limits
from tenants.models import ApiKey, AuditEvent, Organization, RateLimit
from tenants.networks import networks, refuse_from_elsewhere
from tenants.recognition import Recognition
from tenants.services import limits as setting
from tenants.services import remove_limits, set_limits
from tenants.threads import in_thread
from tests import make


def members(organization: Organization, kind: str, subject: str = "", **values: int) -> RateLimit:
    """A rule as a member makes it."""
    with organization_context(organization.id):
        return set_limits(organization_id=organization.id, kind=kind, subject=subject, limits=Limits(**values))


def staff(organization: Organization, kind: str, subject: str = "", **values: int) -> RateLimit:
    """A rule as staff make it."""
    with platform_context(reason="a customer asked"):
        return set_limits(organization_id=organization.id, kind=kind, subject=subject, limits=Limits(**values))


def issued(organization: Organization) -> tuple[str, str]:
    """A key as text, and its id."""
    text = make.key(organization)
    with organization_context(organization.id):
        return text, str(ApiKey.objects.get(public_id=recognise(text).public_id).pk)


async def looked_up(text: str) -> Caller:
    """The caller as a process sees it that has never heard of the key."""
    return await Recognition().caller(text)


async def test_a_key_of_which_nobody_said_anything_has_the_platforms_limits(acme: Organization) -> None:
    text, _ = await in_thread(issued, acme)

    held = (await looked_up(text)).limits

    assert held.key == default_limits()
    assert held.key.requests_per_minute == settings.ROBUTLER.requests_per_minute
    assert (held.organization, held.of_end_user("someone"), held.key.max_parallel) == (None, None, None)


async def test_members_lower_and_lift_nothing(acme: Organization) -> None:
    text, key = await in_thread(issued, acme)
    defaults = default_limits()
    assert defaults.requests_per_minute is not None

    await in_thread(
        members, acme, limits.KEY, key, requests_per_minute=5, requests_per_day=2_000_000_000, max_parallel=3
    )
    held = (await looked_up(text)).limits.key

    assert (held.requests_per_minute, held.max_parallel) == (5, 3)
    assert held.requests_per_day == defaults.requests_per_day


async def test_staff_lift_and_members_lower_that(acme: Organization) -> None:
    text, key = await in_thread(issued, acme)

    await in_thread(staff, acme, limits.KEY, key, requests_per_day=2_000_000_000, requests_per_hour=2_000_000_000)
    await in_thread(members, acme, limits.KEY, key, requests_per_hour=7)
    held = (await looked_up(text)).limits.key

    assert (held.requests_per_day, held.requests_per_hour) == (2_000_000_000, 7)


async def test_an_organizations_rule_holds_for_all_its_keys(acme: Organization, globex: Organization) -> None:
    first, _ = await in_thread(issued, acme)
    second, _ = await in_thread(issued, acme)
    other, _ = await in_thread(issued, globex)

    await in_thread(members, acme, limits.ORGANIZATION, requests_per_minute=9)

    assert (await looked_up(first)).limits.organization == Limits(requests_per_minute=9)
    assert (await looked_up(second)).limits.organization == Limits(requests_per_minute=9)
    assert (await looked_up(other)).limits.organization is None


async def test_an_end_user_has_its_own_limits_or_those_of_everybody(acme: Organization) -> None:
    text, _ = await in_thread(issued, acme)

    await in_thread(members, acme, limits.END_USER, requests_per_minute=9, max_parallel=2)
    await in_thread(staff, acme, limits.END_USER, "ada", requests_per_minute=100)
    held = (await looked_up(text)).limits

    assert held.of_end_user("grace") == Limits(requests_per_minute=9, max_parallel=2)
    assert held.of_end_user("ada") == Limits(requests_per_minute=100, max_parallel=2)
    assert held.of_end_user(None) is None


async def test_keys_of_one_organization_keep_its_end_users_once(acme: Organization) -> None:
    first, _ = await in_thread(issued, acme)
    second, _ = await in_thread(issued, acme)

    await in_thread(members, acme, limits.END_USER, "ada", requests_per_minute=9)

    assert (await looked_up(first)).limits.end_users is (await looked_up(second)).limits.end_users


def test_a_rule_that_is_removed_holds_no_more(acme: Organization) -> None:
    rule = members(acme, limits.ORGANIZATION, requests_per_minute=9)

    with organization_context(acme.id):
        remove_limits(rule)
        left, said = RateLimit.objects.count(), set(AuditEvent.objects.values_list("action", flat=True))

    assert left == 0
    assert {"limits.set", "limits.removed"} <= said


def test_a_rule_said_again_replaces_itself(acme: Organization) -> None:
    members(acme, limits.ORGANIZATION, requests_per_minute=9, max_parallel=1)
    members(acme, limits.ORGANIZATION, requests_per_minute=8)

    with organization_context(acme.id):
        assert RateLimit.objects.get().limits == Limits(requests_per_minute=8)


def test_an_organization_has_only_so_many_rules(acme: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setting, "MOST_RULES", 1)
    members(acme, limits.END_USER, "ada", requests_per_minute=9)

    members(acme, limits.END_USER, "ada", requests_per_minute=8)
    with pytest.raises(TooManyRules):
        members(acme, limits.END_USER, "grace", requests_per_minute=9)


@pytest.mark.parametrize("values", [{"set_by_staff": True}, {"requests_per_minute": 0}, {"kind": "key", "subject": ""}])
def test_the_database_refuses_rules_that_must_not_be(acme: Organization, values: dict[str, object]) -> None:
    rule = RateLimit(**{"organization_id": acme.id, "kind": "organization", "subject": "", **values})

    with organization_context(acme.id), pytest.raises((IntegrityError, ProgrammingError)):
        rule.save(force_insert=True)


def test_members_cannot_touch_what_staff_said(acme: Organization) -> None:
    rule = staff(acme, limits.ORGANIZATION, requests_per_minute=9)

    with organization_context(acme.id):
        seen = RateLimit.objects.filter(pk=rule.pk)
        changed = seen.update(requests_per_minute=9_000)
        removed, _ = seen.delete()
        kept = RateLimit.objects.get().requests_per_minute

    assert (changed, removed, kept) == (0, 0, 9)


def test_a_neighbours_rules_are_not_there(acme: Organization, globex: Organization) -> None:
    members(acme, limits.ORGANIZATION, requests_per_minute=9)

    with organization_context(globex.id):
        assert not RateLimit.objects.exists()


@pytest.mark.parametrize(
    ("address", "written"),
    [
        ("203.0.113.7", "203.0.113.0/24"),
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.0/24"),
        ("2001:db8::1", "2001:db8::/32"),
    ],
)
def test_an_address_in_an_allowed_network_comes_in(address: str, written: str) -> None:
    refuse_from_elsewhere(address, allowed=networks(["10.0.0.0/8", written]))


@pytest.mark.parametrize("address", ["203.0.114.7", "2001:db9::1", "", "testclient", None])
def test_another_address_does_not(address: str | None) -> None:
    with pytest.raises(AddressNotAllowed):
        refuse_from_elsewhere(address, allowed=networks(["203.0.113.0/24", "2001:db8::/32"]))


@pytest.mark.parametrize("written", ["example.test", "203.0.113.7/24", "203.0.113.0/33", "", "0x7f000001"])
def test_what_is_no_network_is_refused(acme: Organization, written: str) -> None:
    with pytest.raises(InvalidNetwork):
        make.key(acme, allowed_networks=[written])
