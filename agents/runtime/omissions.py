"""What of a request an agent's model does not take: left out before it is asked, and named for the caller."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from skills.sdk.context import RunContext
from skills.sdk.model import Message
from skills.sdk.parameters import MARKS, VENDORS

if TYPE_CHECKING:
    from agents.runtime.agent import BaseAgent


class Omissions:
    """Leaves out what one agent's model does not take, and adds the names of what its caller sent to `ctx.ignored`."""

    def __init__(self, agent: "BaseAgent", ctx: RunContext) -> None:
        self._agent = agent
        self._ignored = ctx.ignored
        self._marks = frozenset(mark for mark in MARKS if not self._takes(mark))

    def parameters(self, requested: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters of the run: the agent's own and the request's, without those of vendors unlike the model's."""
        values = self._agent.parameters(requested)
        for name in [name for name in values if name in VENDORS and not self._takes(name)]:
            del values[name]
        self._ignored.update(
            name for name, value in requested.items() if value is not None and values.get(name) != value
        )
        return values

    def tools(self, tools: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
        """The client's tools without marks that mean nothing to the model."""
        return [self._unmarked(tool, "tools[]") for tool in tools]

    def messages(self, messages: Sequence[Message]) -> list[Message]:
        """The conversation without marks that mean nothing to the model."""
        return [
            {**message, "content": [self._unmarked(part, "messages[].content[]") for part in content]}
            if isinstance(content := message.get("content"), list)
            else message
            for message in messages
        ]

    def _unmarked(self, item: Any, where: str) -> Any:
        if not isinstance(item, Mapping) or self._marks.isdisjoint(item):
            return item
        self._ignored.update(f"{where}.{mark}" for mark in self._marks if mark in item)
        return {name: value for name, value in item.items() if name not in self._marks}

    def _takes(self, name: str) -> bool:
        return self._agent.model_skill.takes(name, model=self._agent.model)
