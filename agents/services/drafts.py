"""Whether a draft can be saved, and whether it can become a version."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ValidationError

import outbound
from agents.errors import InvalidDraft
from agents.models import Agent
from agents.models.definition import MAX_PER_RUN_NANOS
from agents.sampling import LOCKABLE, Limits, Sampling
from skills import registry
from skills.sdk import ModelSkill


@dataclass(frozen=True, kw_only=True)
class SkillChoice:
    """A skill as it is put on a draft."""

    skill: str
    options: Mapping[str, Any] = field(default_factory=dict)
    enabled: bool = True


def check_options(choice: SkillChoice) -> dict[str, str]:
    """What is wrong with a skill and its options, by field name; nothing when it is right."""
    if choice.skill not in registry.names():
        return {f"skills.{choice.skill}": "There is no such skill."}
    prefix = f"skills.{choice.skill}."
    found = _problems(registry.skill_class(choice.skill).Options, choice.options, prefix=prefix)
    return found or _address_problems(choice.options, prefix=prefix)


def check_settings(agent: Agent) -> dict[str, str]:
    """What is wrong with the sampling, the limits and the locks of a draft, by field name."""
    problems = _problems(Sampling, agent.sampling, prefix="sampling.") | _problems(
        Limits, agent.limits, prefix="limits."
    )
    for name, nanos in agent.tool_prices.items():
        if type(nanos) is not int or not 0 <= nanos <= MAX_PER_RUN_NANOS:
            problems[f"tool_prices.{name}"] = "A price is from $0 to $1,000 a call, in whole nanodollars."
    unknown = sorted(set(agent.locked) - set(LOCKABLE))
    if unknown:
        problems["locked"] = f"Not a parameter that can be locked: {', '.join(unknown)}."
    return problems


def check_publishable(agent: Agent, choices: Sequence[SkillChoice]) -> None:
    """Raise InvalidDraft unless a running agent can be made of this draft."""
    problems = check_settings(agent) | _model_problems(agent.model)
    enabled = {choice.skill for choice in choices if choice.enabled}
    for choice in choices:
        found = check_options(choice)
        problems |= found
        if choice.enabled and not found:
            missing = sorted(set(registry.skill_class(choice.skill).dependencies) - enabled)
            if missing:
                problems[f"skills.{choice.skill}"] = f"Needs these skills as well: {', '.join(missing)}."
    if problems:
        raise InvalidDraft(problems)


def fallbacks_of(model: str, choices: Sequence[SkillChoice]) -> tuple[str, ...]:
    """The models that answer in order when this one does not, as the skill that serves it is set."""
    enabled = {choice.skill: choice.options for choice in choices if choice.enabled}
    options = enabled.get(registry.model_skill_for(model, chosen=enabled), {})
    return tuple(map(str, options.get("fallbacks") or ()))


def _model_problems(model: str) -> dict[str, str]:
    provider, _, name = model.partition("/")
    if not provider or not name:
        return {"model": "Write it as provider/model, such as openai/gpt-4o-mini."}
    skill = registry.model_skill_for(model)
    if skill not in registry.names() or not issubclass(registry.skill_class(skill), ModelSkill):
        return {"model": f"No skill serves models of {provider}."}
    return {}


def _address_problems(options: Mapping[str, Any], *, prefix: str) -> dict[str, str]:
    """An address that will never be reached is refused when it is saved, not when somebody calls."""
    base_url = options.get("base_url")
    if not base_url:
        return {}
    try:
        outbound.check_url(str(base_url))
    except outbound.ForbiddenAddress as error:
        return {f"{prefix}base_url": str(error)}
    return {}


def _problems(schema: type[BaseModel], values: Any, *, prefix: str) -> dict[str, str]:
    try:
        schema.model_validate(values)
    except ValidationError as error:
        return {
            prefix + ".".join(str(part) for part in problem["loc"]) if problem["loc"] else prefix.rstrip("."): problem[
                "msg"
            ]
            for problem in error.errors(include_url=False, include_input=False)
        }
    return {}
