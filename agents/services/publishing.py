"""How agents come into being, change, go live and back."""

from collections.abc import Sequence
from typing import Any, TypedDict, Unpack
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db.models import Max

from agents.errors import InvalidDraft, NotPublished
from agents.models import Agent, AgentVersion, SkillConfig
from agents.models.agent import AgentStatus
from agents.models.definition import Definition
from agents.services.drafts import SkillChoice, check_options, check_publishable, check_settings
from agents.slugs import check_slug
from tenants import audit, notify
from tenants.context import atomic, current_organization

SNAPSHOT = tuple(field.name for field in Definition._meta.get_fields() if field.name not in {"id", "organization"})


class DraftFields(TypedDict, total=False):
    """What may be set on a draft, the skills excepted."""

    name: str
    description: str
    visibility: str
    instructions: str
    model: str
    sampling: dict[str, Any]
    locked: list[str]
    drop_unsupported: bool
    limits: dict[str, Any]
    on_disconnect: str
    keeps_content: bool
    price_per_run_nanos: int
    markup_bps: int
    input_price_pico: int | None
    output_price_pico: int | None
    tool_prices: dict[str, int]


def create_agent(*, slug: str, skills: Sequence[SkillChoice] = (), **fields: Unpack[DraftFields]) -> Agent:
    """A new agent of the current organization, unpublished. Raises InvalidDraft."""
    with atomic():
        agent = Agent(organization_id=current_organization(), slug=slug)
        _write(agent, fields, skills)
        _record("agent.created", agent)
    return agent


def save_draft(
    agent: Agent,
    *,
    skills: Sequence[SkillChoice] | None = None,
    **fields: Unpack[DraftFields],
) -> Agent:
    """Change the draft. Name, description and visibility hold at once, all else from the next version on."""
    with atomic():
        draft = _locked(agent)
        _write(draft, fields, skills)
        _record("agent.saved", draft)
        notify.publish("agent", str(draft.id))
    return draft


def publish(agent: Agent) -> AgentVersion:
    """Freeze the draft as the next version and point the address at it. Raises InvalidDraft."""
    with atomic():
        draft = _locked(agent)
        choices = skills_of(draft)
        check_publishable(draft, choices)
        last = AgentVersion.objects.filter(agent=draft).aggregate(last=Max("number"))["last"] or 0
        version = AgentVersion(
            organization_id=draft.organization_id,
            agent=draft,
            number=last + 1,
            skills=[{"name": choice.skill, "options": choice.options} for choice in choices if choice.enabled],
            **{name: getattr(draft, name) for name in SNAPSHOT},
        )
        version.save(force_insert=True)
        _point(draft, version.id, action="agent.published")
    return version


def unpublish(agent: Agent) -> None:
    """Take the agent off its address; its versions stay."""
    with atomic():
        _point(_locked(agent), None, action="agent.unpublished")


def rollback(agent: Agent, version: AgentVersion) -> AgentVersion:
    """Point the address at an older version. Raises NotPublished when it is not one of this agent's."""
    with atomic():
        draft = _locked(agent)
        found = AgentVersion.objects.filter(agent=draft, id=version.id).first()
        if found is None:
            raise NotPublished("This agent has no such version.")
        _point(draft, found.id, action="agent.rolled_back")
    return found


def disable(agent: Agent) -> None:
    """Stop the agent from answering, whatever is published."""
    _set_status(agent, AgentStatus.DISABLED, action="agent.disabled")


def enable(agent: Agent) -> None:
    """Let the agent answer again."""
    _set_status(agent, AgentStatus.ACTIVE, action="agent.enabled")


def skills_of(agent: Agent) -> list[SkillChoice]:
    """The skills on the draft, in order."""
    return [
        SkillChoice(skill=config.skill, options=config.options, enabled=config.enabled)
        for config in SkillConfig.objects.filter(agent=agent)
    ]


def _locked(agent: Agent) -> Agent:
    return Agent.objects.select_for_update().get(id=agent.id)


def _write(agent: Agent, fields: DraftFields, skills: Sequence[SkillChoice] | None) -> None:
    for name, value in fields.items():
        setattr(agent, name, value)
    problems = check_slug(agent.slug) | check_settings(agent)
    for choice in skills or ():
        problems |= check_options(choice)
    try:
        agent.full_clean()
    except ValidationError as error:
        problems |= {name: " ".join(said) for name, said in error.message_dict.items()}
    if problems:
        raise InvalidDraft(problems)
    agent.save()
    if skills is not None:
        SkillConfig.objects.filter(agent=agent).delete()
        SkillConfig.objects.bulk_create(
            SkillConfig(
                organization_id=agent.organization_id,
                agent=agent,
                skill=choice.skill,
                options=dict(choice.options),
                enabled=choice.enabled,
                position=position,
            )
            for position, choice in enumerate(skills)
        )


def _point(agent: Agent, version_id: UUID | None, *, action: str) -> None:
    agent.published_version_id = version_id
    agent.save(update_fields=("published_version", "updated_at"))
    _record(action, agent)
    notify.publish("agent", str(agent.id))


def _set_status(agent: Agent, status: AgentStatus, *, action: str) -> None:
    with atomic():
        draft = _locked(agent)
        draft.status = status
        draft.save(update_fields=("status", "updated_at"))
        _record(action, draft)
        notify.publish("agent", str(draft.id))


def _record(action: str, agent: Agent) -> None:
    audit.record(action=action, object=agent, organization_id=agent.organization_id)
