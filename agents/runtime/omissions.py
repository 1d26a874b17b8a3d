"""What of a request an agent's model does not take: left out before it is asked, and named for the caller."""

from collections.abc import Mapping, Sequence
from typing import Any

from skills.sdk.model import Message, ModelSkill
from skills.sdk.parameters import MARKS, VENDORS


class Omissions:
    """Leaves out what one model does not take, and adds the names of what the caller sent to `ignored`."""

    def __init__(self, skill: ModelSkill, model: str, ignored: set[str]) -> None:
        self._skill = skill
        self._model = model
        self._ignored = ignored
        self._marks = frozenset(mark for mark in MARKS if not self._takes(mark))

    def parameters(self, requested: Mapping[str, Any], *, merged: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters of the run, without those of vendors unlike the model's.

        `merged` are the agent's own and the request's; what of the request's does not count in them is named, too.
        """
        values = self.without_vendors(merged)
        self._ignored.update(
            name for name, value in requested.items() if value is not None and values.get(name) != value
        )
        return values

    def without_vendors(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters without those of vendors unlike the model's."""
        return {name: value for name, value in parameters.items() if name not in VENDORS or self._takes(name)}

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
        return self._skill.takes(name, model=self._model)
