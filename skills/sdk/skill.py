"""A skill: options, and methods that decorators made tools, hooks, prompts, handoffs and HTTP handlers."""

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Annotated, Any, ClassVar, Protocol, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from skills.sdk.context import Scope
from skills.sdk.decorators import specs_of
from skills.sdk.specs import Spec

CredentialReference: TypeAlias = Annotated[
    str, Field(min_length=1, max_length=64, json_schema_extra={"format": "credential"})
]
"""In Options: the id of a provider credential of the organization; forms render it as a picker."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


class StartedAgent(Protocol):
    """What a skill learns of the agent it is started for."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def organization_id(self) -> str: ...
    @property
    def model(self) -> str: ...


class Skill:
    """Something an agent can do. Subclass it, name it, and decorate its methods.

    One object serves every run of an agent at once: keep nothing of a run on it, but in `ctx.data`.
    """

    name: ClassVar[str] = ""
    scope: ClassVar[Scope] = "all"
    """Who may use anything of this skill; its methods may narrow it."""
    dependencies: ClassVar[tuple[str, ...]] = ()
    """Names of skills that the agent must have, too."""

    class Options(BaseModel):
        """What an agent's owner may set. Subclass it in the skill; describe and bound every field."""

        model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    options: Options

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.name and not _NAME.fullmatch(cls.name):
            raise ValueError(f"{cls.name!r} cannot name a skill: write it in lower case, as long_term_memory.")
        if not issubclass(cls.Options, Skill.Options):
            raise TypeError(f"{cls.__name__}.Options must subclass Skill.Options.")

    def __init__(self, options: Any = None) -> None:
        self.options = type(self).Options() if options is None else options
        if not isinstance(self.options, type(self).Options):
            raise TypeError(f"{type(self).__name__} takes its own Options, not {type(options).__name__}.")

    async def start(self, agent: StartedAgent) -> None:
        """Called once before the agent's first run in a process."""

    async def stop(self) -> None:
        """Called when the agent is dropped from the process."""

    def members(self) -> Iterator[tuple[Callable[..., Any], tuple[Spec, ...]]]:
        """The decorated methods, bound, each with its specs; in the order in which classes define them."""
        names = dict.fromkeys(name for parent in reversed(type(self).__mro__) for name in vars(parent))
        for name in names:
            function = inspect.getattr_static(self, name, None)
            if inspect.isfunction(function) and (specs := specs_of(function)):
                yield getattr(self, name), specs
