"""Conversations over WebSockets: agents answer as it happens, and runs can be watched."""
