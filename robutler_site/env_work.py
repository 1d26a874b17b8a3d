"""Settings of work that workers do for runs, read from ROBUTLER_*."""

from pydantic import Field

from robutler_site.env_sockets import SocketEnvironment


class WorkEnvironment(SocketEnvironment):
    """The part of the environment that is about workers: how long tools may work, how soon a dead one is noticed."""

    background_tool_s: float = Field(
        300, gt=0, le=330, description="Longest work of a tool on a worker, whatever the tool itself allows."
    )
    background_wait_s: float = Field(
        60, gt=0, le=3_600, description="How long a tool waits for a free worker before it is given up."
    )
    background_lease_s: float = Field(
        30, ge=0.5, le=300, description="A worker that says nothing of a tool for so long is taken for dead."
    )
    background_attempts: int = Field(
        3, ge=1, le=10, description="How often a tool is begun whose worker dies, if that does no harm."
    )
    background_tools: int = Field(
        50, ge=1, le=10_000, description="Most tools that wait or work on workers for one organization."
    )
    mcp_commands: dict[str, list[str]] = Field(
        {},
        description="MCP servers that the operator runs here for agents, as JSON: a name and its command, in parts. "
        "No member of an organization can add to them.",
    )
    background_days: int = Field(7, ge=1, le=365, description="How many days what such a tool returned is kept.")
