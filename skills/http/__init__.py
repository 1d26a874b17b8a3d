"""Calling an HTTP API as its OpenAPI document describes it."""

from skills.http.skill import HttpSkill

__all__ = ["HttpSkill"]
