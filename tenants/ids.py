"""Identifiers of rows."""

import secrets
import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import models


def uuid7() -> UUID:
    """A UUID of version 7 (RFC 9562): it sorts by the time it was made, to a quarter of a microsecond."""
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    fraction = rest * 4096 // 1_000_000
    value = milliseconds << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | secrets.randbits(62)
    return UUID(int=value)


def age_s(id: UUID) -> float | None:
    """How long ago an id of ours was made, by the clock of this machine; None for one of another kind."""
    return time.time() - (id.int >> 80) / 1000 if id.version == 7 else None


class Uuid7Field(models.UUIDField):  # type: ignore[type-arg]
    """A primary key made by `uuid7`; to migrations it is a plain UUIDField, so that they import nothing of ours."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"primary_key": True, "default": uuid7, "editable": False, **options})

    def deconstruct(self) -> tuple[str, str, Sequence[Any], dict[str, Any]]:
        """The field as a migration writes it."""
        name, _, arguments, options = super().deconstruct()
        options.pop("default", None)
        return name, "django.db.models.UUIDField", arguments, options
