"""Pages of both sites ask the database as often for twelve rows as for two."""

from collections.abc import Callable
from uuid import uuid4

import pytest
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from agents.models import Agent
from billing import top_ups
from robutler_site.admin import console, staff
from tenants.context import organization_context, platform_context
from tenants.models import Membership, Organization
from tenants.secret import Secret
from tenants.services import store_credential
from tests import make
from tests.admin.cast import Statements, member, page, ran
from tests.admin.cast import staff as member_of_staff


def grow(organization: Organization, agent: Agent) -> None:
    """One more row of everything."""
    make.published(organization)
    ran(organization, agent)
    make.key(organization)
    make.member(organization)
    top_ups.enter(id=uuid4(), organization_id=organization.id, amount_nanos=10**9, reference="more", actor="test")
    with organization_context(organization.id):
        store_credential(
            organization_id=organization.id, provider="openai", label=make.unique("more"), secret=Secret("sk-more")
        )


@pytest.fixture(scope="module")
def two_sizes(database: None) -> list[Organization]:
    """An organization with two rows of everything, and one with twelve."""
    made = []
    for rows in (2, 12):
        acme = make.wallet(make.organization("Acme"), 10**9)
        agent = make.published(acme, price_per_run_nanos=10**6)
        for _ in range(rows):
            grow(acme, agent)
        made.append(acme)
    return made


def counted(client: Client, address: str) -> int:
    """How many statements the page takes, once everything that is remembered is."""
    assert client.get(address).status_code == 200
    with Statements() as statements:
        client.get(address)
    return len(statements.sent)


@pytest.mark.parametrize("model", sorted(console._registry, key=str), ids=lambda model: model.__name__)
def test_a_list_on_the_console(two_sizes: list[Organization], model: type[Model]) -> None:
    few, many = [counted(member(each), page("console", model, "changelist")) for each in two_sizes]

    assert few == many


@pytest.mark.parametrize("model", sorted(staff._registry, key=str), ids=lambda model: model.__name__)
def test_a_list_in_the_admin(two_sizes: list[Organization], model: type[Model]) -> None:
    address, them = page("admin", model, "changelist"), member_of_staff()
    before = counted(them, address)

    with platform_context(reason="a test"):
        agent = Agent.objects.filter(organization=two_sizes[0], published_version__isnull=False)[0]
    for _ in range(3):
        other = make.wallet(make.organization("Other"), 10**9)
        make.member(other)
        grow(two_sizes[0], agent)

    assert counted(them, address) == before


@pytest.mark.parametrize("who", [member, lambda _: member_of_staff()], ids=["console", "admin"])
def test_the_home_pages(two_sizes: list[Organization], who: Callable[[Organization], Client]) -> None:
    site = "console" if who is member else "admin"

    few, many = [counted(who(each), reverse(f"{site}:index")) for each in two_sizes]

    assert few == many


def test_an_agents_page(two_sizes: list[Organization]) -> None:
    def address(organization: Organization) -> str:
        with organization_context(organization.id):
            return page("console", Agent, "change", Agent.objects.latest("created_at").pk)

    few, many = [counted(member(each), address(each)) for each in two_sizes]

    assert few == many


def test_a_list_is_short(two_sizes: list[Organization]) -> None:
    for model in console._registry:
        assert counted(member(two_sizes[1]), page("console", model, "changelist")) <= 12
    assert Membership in console._registry
