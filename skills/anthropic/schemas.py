"""Schemas of answers in the subset of JSON Schema that the API holds a model to."""

import asyncio
from collections.abc import Mapping
from typing import Any

from skills.sdk import ModelRejected


async def schema_asked(parameters: Mapping[str, Any]) -> dict[str, Any] | None:
    """The schema that `response_format` asks for, as the API takes it: what it cannot hold to becomes a description.

    The transformation is the vendor's own; its package takes a while to import, so that happens beside the loop.
    """
    match parameters.get("response_format"):
        case {"type": "json_schema", "json_schema": {"schema": dict(schema)}}:
            return await asyncio.to_thread(_transformed, schema)
    return None


def _transformed(schema: dict[str, Any]) -> dict[str, Any]:
    from anthropic import transform_schema

    try:
        return transform_schema(schema)
    except (ValueError, TypeError, AttributeError):
        raise ModelRejected(
            "The schema has a part that says neither its type nor its alternatives.",
            parameter="response_format.json_schema.schema",
            code="invalid_value",
        ) from None
