"""The agent loop, on scripted models and real skills."""
