"""Agents, and what they ask their people, over the management API."""
