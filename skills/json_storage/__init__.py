"""Lets an agent keep JSON values for who calls it."""

from skills.json_storage.skill import JsonStorageSkill

__all__ = ["JsonStorageSkill"]
