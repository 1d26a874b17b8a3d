"""What can go wrong with agents and their runs, named after the fact."""

from collections.abc import Mapping
from uuid import UUID


class AgentsError(Exception):
    """Anything that this package refuses; its message is safe to show to a caller."""


class AgentNotFound(AgentsError):
    """No such agent for this caller: absent, private to others, unpublished, disabled, or not one of the key's."""

    def __init__(self) -> None:
        super().__init__("There is no such agent, or this key may not call it.")


class AgentsUnavailable(AgentsError):
    """Agents cannot be looked up now, because the database does not answer; trying again later will help."""

    retry_after_s = 1.0

    def __init__(self) -> None:
        super().__init__("Agents cannot be looked up at the moment; try again shortly.")


class AgentMisconfigured(AgentsError):
    """A published version can no longer be built: one of its skills is gone, or no longer takes its options."""


class InvalidDraft(AgentsError):
    """A draft cannot be saved or published; `fields` says why, by field name."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__(" ".join(f"{field}: {problem}" for field, problem in fields.items()))
        self.fields = dict(fields)


class NotPublished(AgentsError):
    """The agent has no such version to go back to."""


class RunNotFound(AgentsError):
    """There is no such run, or it is not for this caller to see."""


class ApprovalNotFound(AgentsError):
    """There is no such question, or it is not for this caller to answer."""


class ApprovalOver(AgentsError):
    """The question is answered, or nobody waits for its answer any more."""


class ToolExecutionNotFound(AgentsError):
    """There is no such call of a tool, or not for this caller."""


class ToolExecutionOver(AgentsError):
    """The call of a tool has ended already; the message says how."""


class TooManyToolExecutions(AgentsError):
    """The organization has as many calls of tools on workers as it may."""


class MCPServerNotFound(AgentsError):
    """There is no such MCP server, or not for this organization."""


class WrongMCPServer(AgentsError):
    """An MCP server that cannot be; `field` is what is wrong about it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class InvalidRange(AgentsError):
    """What is asked for lies in a span of time that has no beginning before its end, or is too long to add up."""


class CostLimitTooLow(AgentsError):
    """What the run may cost at most, by its caller's or its agent's word, does not pay for even a short answer."""

    def __init__(self, *, required_nanos: int, most_nanos: int) -> None:
        super().__init__("The most that this run may cost does not pay for even a short answer.")
        self.required_nanos = required_nanos
        self.most_nanos = most_nanos


class KeyInUse(AgentsError):
    """A request with this Idempotency-Key is being answered by the run `run_id`."""

    def __init__(self, run_id: UUID) -> None:
        super().__init__("A request with this Idempotency-Key is in progress.")
        self.run_id = run_id


class KeyReused(AgentsError):
    """This Idempotency-Key came with another request before."""


class Draining(AgentsError):
    """This process is shutting down and begins no new run; another one will."""

    retry_after_s = 1.0

    def __init__(self) -> None:
        super().__init__("The server is shutting down; try again.")


class TooManyRuns(AgentsError):
    """This process already has as many runs as it may have at once."""

    retry_after_s = 1.0

    def __init__(self) -> None:
        super().__init__("Too many runs are in progress; try again shortly.")


class RunStopped(AgentsError):
    """The platform ended the run before it was done: a shutdown, or a limit."""
