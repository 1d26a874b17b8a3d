"""Agents come into being, go live, and go back."""

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import DatabaseError, IntegrityError, connections

import outbound
from agents.errors import InvalidDraft, NotPublished
from agents.models import Agent, AgentVersion
from agents.services import publishing
from agents.services.drafts import SkillChoice
from tenants.context import organization_context
from tenants.models import AuditEvent, Organization
from tenants.services import create_organization
from tests import make


def test_a_new_agent_is_a_draft_that_nobody_reaches(acme: Organization) -> None:
    made = make.agent(acme)

    assert not made.is_published
    assert made.status == "active"


def test_publishing_freezes_the_draft_and_its_enabled_skills_in_order(acme: Organization) -> None:
    skills = [
        SkillChoice(skill="calculator"),
        SkillChoice(skill="clock", options={"zone": "Europe/Riga"}),
    ]
    made = make.agent(acme, skills=skills, instructions="Be kind.", price_per_run_nanos=7)

    with organization_context(acme.id):
        version = publishing.publish(made)

    assert (version.number, version.instructions, version.price_per_run_nanos) == (1, "Be kind.", 7)
    assert version.skills == [
        {"name": "calculator", "options": {}},
        {"name": "clock", "options": {"zone": "Europe/Riga"}},
    ]


def test_a_disabled_skill_stays_on_the_draft_and_out_of_the_version(acme: Organization) -> None:
    made = make.agent(acme, skills=[SkillChoice(skill="clock", enabled=False)])

    with organization_context(acme.id):
        version = publishing.publish(made)
        kept = publishing.skills_of(made)

    assert version.skills == []
    assert [choice.skill for choice in kept] == ["clock"]


def test_edits_reach_callers_only_when_they_are_published(acme: Organization) -> None:
    made = make.published(acme, instructions="First.")

    with organization_context(acme.id):
        publishing.save_draft(made, instructions="Second.")
        before = AgentVersion.objects.get(id=Agent.objects.get(id=made.id).published_version_id)
        after = publishing.publish(made)

    assert (before.number, before.instructions) == (1, "First.")
    assert (after.number, after.instructions) == (2, "Second.")


def test_rolling_back_points_at_the_older_version(acme: Organization) -> None:
    made = make.published(acme)
    with organization_context(acme.id):
        first = AgentVersion.objects.get(agent=made)
        publishing.publish(made)

        publishing.rollback(made, first)

        assert Agent.objects.get(id=made.id).published_version_id == first.id


def test_a_version_of_another_agent_is_nothing_to_go_back_to(acme: Organization) -> None:
    made, other = make.published(acme), make.published(acme)

    with organization_context(acme.id), pytest.raises(NotPublished):
        publishing.rollback(made, AgentVersion.objects.get(agent=other))


def test_unpublishing_keeps_the_versions(acme: Organization) -> None:
    made = make.published(acme)

    with organization_context(acme.id):
        publishing.unpublish(made)

        assert Agent.objects.get(id=made.id).published_version_id is None
        assert AgentVersion.objects.filter(agent=made).count() == 1


def test_a_disabled_agent_answers_again_when_it_is_enabled(acme: Organization) -> None:
    made = make.published(acme)

    with organization_context(acme.id):
        publishing.disable(made)
        disabled = Agent.objects.get(id=made.id).is_published
        publishing.enable(made)
        enabled = Agent.objects.get(id=made.id).is_published

    assert (disabled, enabled) == (False, True)


def test_everything_that_is_done_to_an_agent_is_kept_in_the_audit_log(acme: Organization) -> None:
    made = make.published(acme)

    with organization_context(acme.id):
        publishing.save_draft(made, name="Other")
        publishing.unpublish(made)
        publishing.disable(made)
        actions = AuditEvent.objects.filter(object_id=str(made.id)).order_by("created_at", "id")

        assert [event.action for event in actions] == [
            "agent.created", "agent.published", "agent.saved", "agent.unpublished", "agent.disabled",
        ]  # fmt: skip


@pytest.mark.parametrize("slug", ["v1", "admin", "chat", "console", "completions", "uamp"])
def test_addresses_of_the_platform_can_be_no_agents(acme: Organization, slug: str) -> None:
    with pytest.raises(InvalidDraft) as refused:
        make.agent(acme, slug=slug)

    assert set(refused.value.fields) == {"slug"}


def test_nor_can_they_be_an_organizations(database: None) -> None:
    with pytest.raises(ValidationError):
        create_organization(name="Console", slug="console")


@pytest.mark.parametrize("slug", ["Upper", "two words", "-edge", "edge-", "a/b", "", "é", "a" * 64, "new\n"])
def test_a_slug_of_another_form_is_refused(acme: Organization, slug: str) -> None:
    with organization_context(acme.id), pytest.raises(InvalidDraft) as refused:
        publishing.create_agent(slug=slug, name="X", model="scripted/persona")

    assert set(refused.value.fields) == {"slug"}


def test_a_slug_is_free_in_every_other_organization(acme: Organization, globex: Organization) -> None:
    made = make.agent(acme)

    assert make.agent(globex, slug=made.slug).slug == made.slug
    with pytest.raises(InvalidDraft):
        make.agent(acme, slug=made.slug)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"sampling": {"temperature": 3}}, "sampling.temperature"),
        ({"sampling": {"api_base": "http://127.0.0.1"}}, "sampling.api_base"),
        ({"limits": {"turns": 0}}, "limits.turns"),
        ({"limits": []}, "limits"),
        ({"locked": ["api_key"]}, "locked"),
        ({"markup_bps": 100_001}, "markup_bps"),
        ({"visibility": "secret"}, "visibility"),
        ({"name": ""}, "name"),
        ({"price_per_run_nanos": -1}, "price_per_run_nanos"),
        ({"skills": [SkillChoice(skill="nonsense")]}, "skills.nonsense"),
        ({"skills": [SkillChoice(skill="clock", options={"nonsense": 1})]}, "skills.clock.nonsense"),
    ],
)
def test_a_draft_that_cannot_be_saved_names_the_field(acme: Organization, fields: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidDraft) as refused:
        make.agent(acme, **fields)

    assert set(refused.value.fields) == {named}


@pytest.mark.parametrize("model", ["scripted", "/persona", "scripted/"])
def test_a_draft_without_a_whole_model_name_cannot_be_published(acme: Organization, model: str) -> None:
    made = make.agent(acme, model=model)

    with organization_context(acme.id), pytest.raises(InvalidDraft) as refused:
        publishing.publish(made)

    assert set(refused.value.fields) == {"model"}


def test_a_refused_draft_leaves_nothing_behind(acme: Organization) -> None:
    made = make.agent(acme, name="Kept", skills=[SkillChoice(skill="clock")])

    with organization_context(acme.id):
        with pytest.raises(InvalidDraft):
            publishing.save_draft(made, name="Lost", skills=[SkillChoice(skill="nonsense")])

        assert Agent.objects.get(id=made.id).name == "Kept"
        assert [choice.skill for choice in publishing.skills_of(made)] == ["clock"]


@pytest.mark.parametrize("alias", ["default", "platform", "owner"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE agents_agentversion SET instructions = 'other'",
        "DELETE FROM agents_agentversion",
        "TRUNCATE agents_agentversion CASCADE",
    ],
)
def test_a_version_never_changes(acme: Organization, alias: str, statement: str) -> None:
    make.published(acme)

    with organization_context(acme.id), pytest.raises(DatabaseError), connections[alias].cursor() as cursor:
        cursor.execute(statement)


@pytest.mark.parametrize("address", ["http://127.0.0.1:11434/v1", "http://models.internal/v1", "https://8.8.8.8:22/v1"])
def test_a_draft_keeps_no_address_that_is_never_reached(acme: Organization, address: str) -> None:
    with pytest.raises(InvalidDraft) as raised:
        make.agent(acme, model="openai/gpt", skills=[SkillChoice(skill="openai", options={"base_url": address})])

    assert list(raised.value.fields) == ["skills.openai.base_url"]


def test_a_draft_keeps_an_address_that_the_operator_opened(acme: Organization) -> None:
    outbound.configure(allow=["127.0.0.1:11434"])
    choice = SkillChoice(skill="openai", options={"base_url": "http://127.0.0.1:11434/v1"})

    made = make.agent(acme, model="openai/llama", skills=[choice])

    outbound.configure()
    assert made.model == "openai/llama"


@pytest.mark.parametrize(
    ("field", "most"), [("price_per_run_nanos", 10**12), ("input_price_pico", 10**10), ("output_price_pico", 10**10)]
)
def test_prices_have_an_upper_bound_that_the_database_knows(acme: Organization, field: str, most: int) -> None:
    highest: Any = {field: most}
    agent = make.agent(acme, **highest)
    over: Any = {field: most + 1}

    with organization_context(acme.id):
        with pytest.raises(InvalidDraft) as refused:
            publishing.save_draft(agent, **over)
        with pytest.raises(IntegrityError):
            Agent.objects.filter(id=agent.id).update(**over)

    assert set(refused.value.fields) == {field}
