"""Tools that servers of others offer: what an agent's owner approved of them, and how a skill comes by it."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import msgspec

from skills.sdk.skill import Skill

Transport = Literal["http", "sse", "operator"]


class Definition(msgspec.Struct, frozen=True, kw_only=True):
    """A tool as its server defines it."""

    name: str
    description: str
    schema: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """Changes with whatever a model reads of it."""
        told = json.dumps([self.name, self.description, self.schema], sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(told.encode(errors="replace")).hexdigest()


class ToolServer(msgspec.Struct, frozen=True, kw_only=True):
    """A server that the agent's organization knows, and the definitions that a member approved: no others are used.

    `url` is empty for a server that the platform's operator runs, which is started by `command`.
    """

    name: str
    transport: Transport
    url: str = ""
    command: Sequence[str] = ()
    credential: str | None = None
    timeout_s: float = 60
    most_credits: str = "0"
    """The most that a call may cost by the server's own account; 0 where its account counts for nothing."""
    tools: Sequence[Definition] = ()


class ServedSkill(Skill):
    """A skill that works with servers. Whoever builds the agent sets `served`, once, before it is started."""

    served: Sequence[ToolServer] = ()
    server_names: ClassVar[str] = "servers"
    """The option that names them."""
