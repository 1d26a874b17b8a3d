"""The agent loop: plain async Python, no Django."""
