"""Lets an agent use the tools of MCP servers."""

from skills.mcp.skill import McpSkill

__all__ = ["McpSkill"]
