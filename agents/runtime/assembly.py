"""How skills become parts of an agent: their decorated methods, collected, checked and ordered."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Self

from agents.runtime.handoffs import BoundHandoff
from agents.runtime.hooks import BoundHook, BoundPrompt, by_event, wants_payload
from agents.runtime.http import BoundHandler
from agents.runtime.scopes import narrower
from agents.runtime.tools import BoundTool, bind
from skills.sdk.errors import InvalidAgent
from skills.sdk.model import ModelSkill
from skills.sdk.schema import Arguments
from skills.sdk.skill import Skill
from skills.sdk.specs import HandoffSpec, HookEvent, HookSpec, HttpSpec, PricingSpec, PromptSpec, Spec, ToolSpec


@dataclass(frozen=True, kw_only=True)
class Members:
    """What the skills of an agent bring together."""

    tools: Mapping[str, BoundTool]
    hooks: Mapping[HookEvent, tuple[BoundHook, ...]]
    prompts: tuple[BoundPrompt, ...]
    handoffs: Mapping[str, BoundHandoff]
    http_handlers: tuple[BoundHandler, ...]

    @classmethod
    def of(cls, skills: Mapping[str, Skill], *, tool_prices: Mapping[str, int] = MappingProxyType({})) -> Self:
        """Collect; raises InvalidAgent when two skills claim the same name or one lacks another.

        What `tool_prices` names costs so many nanodollars a call, whatever its skill says. A name that no skill
        brings is passed over: its skill is switched off.
        """
        gathered = _Gathered()
        for name, skill in skills.items():
            if missing := [needed for needed in skill.dependencies if needed not in skills]:
                raise InvalidAgent(
                    f"The skill {name!r} needs {', '.join(map(repr, missing))}; give the agent that, too."
                )
            for method, specs in skill.members():
                gathered.add(name, skill, method, specs)
        for called in gathered.handoffs.keys() & gathered.tools.keys():
            raise InvalidAgent(f"A tool and a handoff are both called {called!r}; a model could not tell them apart.")
        return cls(
            tools=MappingProxyType({name: tool.at(tool_prices.get(name)) for name, tool in gathered.tools.items()}),
            hooks=MappingProxyType(by_event(gathered.hooks)),
            prompts=tuple(sorted(gathered.prompts, key=lambda prompt: prompt.priority)),
            handoffs=MappingProxyType(
                dict(sorted(gathered.handoffs.items(), key=lambda named: named[1].spec.priority))
            ),
            http_handlers=tuple(gathered.http_handlers.values()),
        )


def model_skill_among(skills: Mapping[str, Skill], model: str) -> ModelSkill:
    """The first skill that serves the model's provider."""
    provider = model.partition("/")[0]
    for skill in skills.values():
        if isinstance(skill, ModelSkill) and provider in skill.providers:
            return skill
    raise InvalidAgent(f"None of the agent's skills serves the model {model!r}.")


class _Gathered:
    def __init__(self) -> None:
        self.tools: dict[str, BoundTool] = {}
        self.hooks: list[BoundHook] = []
        self.prompts: list[BoundPrompt] = []
        self.handoffs: dict[str, BoundHandoff] = {}
        self.http_handlers: dict[tuple[str, str], BoundHandler] = {}

    def add(self, name: str, skill: Skill, method: Callable[..., Any], specs: tuple[Spec, ...]) -> None:
        pricing = next((spec for spec in specs if isinstance(spec, PricingSpec)), None)
        if pricing is not None and not any(isinstance(spec, ToolSpec) for spec in specs):
            raise InvalidAgent(f"{method.__qualname__} has a price but is no tool; decorate it with @tool, too.")
        for spec in specs:
            match spec:
                case ToolSpec():
                    scope = narrower(skill.scope, spec.scope)
                    tool = bind(method, spec=spec, pricing=pricing, skill=name, scope=scope)
                    _claim(self.tools, spec.name, tool, f"the tool {spec.name!r}", name)
                case HookSpec():
                    self.hooks.append(
                        BoundHook(
                            event=spec.event,
                            priority=spec.priority,
                            scope=narrower(skill.scope, spec.scope),
                            method=method,
                            wants_payload=wants_payload(method),
                        )
                    )
                case PromptSpec():
                    self.prompts.append(
                        BoundPrompt(
                            priority=spec.priority,
                            scope=narrower(skill.scope, spec.scope),
                            method=method,
                            wants_context=Arguments(method).context_parameter is not None,
                        )
                    )
                case HandoffSpec():
                    handoff = BoundHandoff(
                        spec=spec,
                        skill=name,
                        scope=narrower(skill.scope, spec.scope),
                        method=method,
                        arguments=Arguments(method),
                    )
                    _claim(self.handoffs, spec.name, handoff, f"the handoff {spec.name!r}", name)
                case HttpSpec():
                    handler = BoundHandler.of(method, spec=spec, skill=name, scope=narrower(skill.scope, spec.scope))
                    _claim(self.http_handlers, handler.route, handler, f"{spec.method} {spec.subpath}", name)
                case PricingSpec():
                    pass


def _claim(taken: dict[Any, Any], key: Any, value: Any, what: str, skill: str) -> None:
    if key in taken:
        raise InvalidAgent(f"The skills {taken[key].skill!r} and {skill!r} both bring {what}; an agent can have one.")
    taken[key] = value
