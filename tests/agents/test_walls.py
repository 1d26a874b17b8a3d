"""The walls around agents and runs: in code, and in the database below it."""

from typing import Any

import pytest
from django.db import DatabaseError, connections

from agents.adapters.run_writer import run_writer
from agents.models import Agent, AgentVersion, Run, SkillConfig, StoredItem
from agents.selectors import runs_paid, runs_served
from agents.services.drafts import SkillChoice
from tenants.context import organization_context
from tenants.errors import NoTenant
from tenants.ids import uuid7
from tenants.models import Organization, TenantModel
from tests import make
from tests.agents.cast import caller_of, converse, hosted, script

TABLES = (
    "agents_agent", "agents_agentversion", "agents_skillconfig", "agents_run", "agents_runcontent", "agents_storeditem",
)  # fmt: skip


def _rows(organization: Organization, statement: str, *values: str) -> list[tuple[Any, ...]]:
    with organization_context(organization.id), connections["default"].cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())


@pytest.fixture
def public_agent(acme: Organization) -> Agent:
    """A published, public agent of Acme with a skill and instructions."""
    made = make.published(acme, visibility="public", instructions="canary-7", skills=[SkillChoice(skill="clock")])
    with organization_context(acme.id):
        StoredItem.objects.create(
            organization=acme, agent_organization_id=acme.id, agent=made, namespace="n", key="k", value=1
        )
    return made


@pytest.mark.parametrize("table", TABLES[:3] + TABLES[5:])
def test_raw_sql_of_a_neighbour_finds_no_row(public_agent: Agent, globex: Organization, table: str) -> None:
    assert _rows(globex, f"SELECT * FROM {table}") == []


def test_raw_sql_of_the_owner_finds_its_rows(public_agent: Agent, acme: Organization) -> None:
    assert len(_rows(acme, "SELECT id FROM agents_agent")) == 1


@pytest.mark.parametrize("model", [Agent, AgentVersion, SkillConfig, Run, StoredItem])
def test_nothing_is_read_without_saying_whose(database: None, model: type[TenantModel]) -> None:
    with pytest.raises(NoTenant):
        model.objects.count()


def test_a_row_cannot_be_written_for_a_neighbour(acme: Organization, globex: Organization) -> None:
    with organization_context(acme.id), pytest.raises(DatabaseError):
        Agent.objects.create(organization=globex, slug="x", name="X", model="scripted/persona")


def test_a_version_cannot_be_of_a_neighbours_agent(public_agent: Agent, globex: Organization) -> None:
    with organization_context(globex.id), pytest.raises(DatabaseError):
        AgentVersion.objects.create(organization=globex, agent_id=public_agent.id, number=9, model="scripted/persona")


def test_an_agent_cannot_publish_the_version_of_another(acme: Organization) -> None:
    one, other = make.published(acme), make.published(acme)

    with organization_context(acme.id), pytest.raises(DatabaseError):
        Agent.objects.filter(id=one.id).update(published_version_id=other.published_version_id)


@pytest.mark.parametrize("function", ["agents_published_at('%s', '%s')", "agents_published_for(1000)"])
def test_what_the_neighbour_may_look_up_shows_nothing_of_the_inside(
    public_agent: Agent, acme: Organization, globex: Organization, function: str
) -> None:
    call = function % (acme.slug, public_agent.slug) if "%s" in function else function

    rows = _rows(globex, f"SELECT * FROM {call}")

    assert any(str(public_agent.id) in str(row) for row in rows)
    assert "canary-7" not in str(rows)


def test_private_unpublished_disabled_and_suspended_agents_are_not_looked_up(
    acme: Organization, globex: Organization
) -> None:
    from agents.services import publishing

    private, draft = make.published(acme), make.agent(acme, visibility="public")
    disabled, gone = make.published(acme, visibility="public"), make.published(acme, visibility="public")
    with organization_context(acme.id):
        publishing.disable(disabled)
        publishing.unpublish(gone)

    for agent in (private, draft, disabled, gone):
        assert _rows(globex, "SELECT * FROM agents_published_at(%s, %s)", acme.slug, agent.slug) == []


async def test_both_sides_see_a_run_and_nobody_else_does(acme: Organization, globex: Organization) -> None:
    from tenants.threads import in_thread

    agent = await hosted(acme, script({"text": "hi"}), visibility="public", keeps_content=True)
    _, stream = await converse(caller_of(globex), f"{acme.slug}/{agent.slug}")
    assert await in_thread(run_writer().flush, timeout_s=10)

    def look() -> tuple[list[Run], list[Run], list[Run], list[Run]]:
        stranger = make.organization("Initech")
        with organization_context(globex.id):
            paid = list(runs_paid())
        with organization_context(acme.id):
            served, not_paid = list(runs_served()), list(runs_paid())
        with organization_context(stranger.id):
            seen = [*runs_paid(), *runs_served()]
        return paid, served, not_paid, seen

    paid, served, not_paid, seen = await in_thread(look)
    assert [run.id for run in paid] == [run.id for run in served] == [stream.run_id]
    assert not_paid == seen == []
    assert "key_id" in served[0].get_deferred_fields()
    assert await in_thread(_rows, acme, "SELECT * FROM agents_runcontent") == []
    assert len(await in_thread(_rows, globex, "SELECT * FROM agents_runcontent")) == 1


async def test_the_owner_cannot_write_to_runs_it_served(acme: Organization, globex: Organization) -> None:
    from tenants.threads import in_thread

    agent = await hosted(acme, script({"text": "hi"}), visibility="public")
    _, stream = await converse(caller_of(globex), f"{acme.slug}/{agent.slug}")
    assert await in_thread(run_writer().flush, timeout_s=10)

    def change() -> int:
        with organization_context(acme.id), connections["default"].cursor() as cursor:
            cursor.execute("UPDATE agents_run SET charged_nanos = 9 WHERE id = %s", [stream.run_id])
            return int(cursor.rowcount)

    assert await in_thread(change) == 0


def test_a_run_cannot_name_a_version_of_another_agent(acme: Organization, globex: Organization) -> None:
    one, other = make.published(acme), make.published(globex)

    with organization_context(acme.id), pytest.raises(DatabaseError):
        Run.objects.create(
            id=uuid7(), organization=acme, agent_organization_id=acme.id, agent_id=one.id, address="x", model="m",
            version_id=other.published_version_id, request_id="r", started_at="2026-01-01T00:00Z",
        )  # fmt: skip
