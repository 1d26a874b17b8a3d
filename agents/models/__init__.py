"""The rows that describe agents and what they did."""

from agents.models.agent import Agent
from agents.models.approval import Approval
from agents.models.idempotent_answer import IdempotentAnswer
from agents.models.mcp_server import MCPServer
from agents.models.memory import Memory
from agents.models.run import Run, RunContent
from agents.models.skill_config import SkillConfig
from agents.models.stored_item import StoredItem
from agents.models.tool_execution import ToolExecution
from agents.models.version import AgentVersion

__all__ = [
    "Agent",
    "AgentVersion",
    "Approval",
    "IdempotentAnswer",
    "MCPServer",
    "Memory",
    "Run",
    "RunContent",
    "SkillConfig",
    "StoredItem",
    "ToolExecution",
]
