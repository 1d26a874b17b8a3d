"""What is kept of one end user of the current organization's: all of it told, or all of it erased."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from django.db.models import QuerySet

from agents.models import Memory, RunContent, StoredItem, ToolExecution
from skills.sdk import RunCaller
from tenants import audit
from tenants.context import atomic

TOLD_AT_MOST = 10_000
"""Of each kind; whoever has more is told so."""


def export(end_user: str) -> Mapping[str, Any]:
    """Everything that is kept of an end user, by kinds; `is_whole` is False where there is more than is told."""
    kinds = _rows(end_user)
    told = {name: list(rows.values(*_FIELDS[name])[: TOLD_AT_MOST + 1]) for name, rows in kinds.items()}
    _note("end_user.exported", end_user, {name: len(rows) for name, rows in told.items()})
    return {
        "end_user": end_user,
        "is_whole": all(len(rows) <= TOLD_AT_MOST for rows in told.values()),
        **{name: rows[:TOLD_AT_MOST] for name, rows in told.items()},
    }


def erase(end_user: str) -> Mapping[str, int]:
    """Remove everything that is kept of an end user; how much there was, by kinds. What was paid stays in the books."""
    with atomic():
        gone = {name: rows.delete()[0] for name, rows in _rows(end_user).items()}
        _note("end_user.erased", end_user, gone)
    return gone


_FIELDS: Mapping[str, tuple[str, ...]] = {
    "memories": ("id", "agent_slug", "kind", "text", "metadata", "created_at"),
    "runs": ("id", "conversation_id", "messages", "reply"),
    "stored_items": ("id", "agent_id", "namespace", "key", "value", "expires_at"),
    "tool_executions": ("id", "agent_slug", "run_id", "tool", "arguments", "content", "queued_at"),
}


def _rows(end_user: str) -> Mapping[str, "QuerySet[Any]"]:
    mark = RunCaller(organization_id="", end_user=end_user).namespace("")
    return {
        "memories": Memory.objects.filter(end_user=end_user).order_by("id"),
        "runs": RunContent.objects.filter(end_user=end_user).order_by("id"),
        "stored_items": StoredItem.objects.filter(namespace__endswith=mark).order_by("id"),
        "tool_executions": ToolExecution.objects.filter(caller__end_user=end_user).order_by("id"),
    }


def _note(action: str, end_user: str, counts: Mapping[str, int]) -> None:
    """The audit log is for good, so it knows the end user by a digest only."""
    audit.record(action=action, detail={"end_user": sha256(end_user.encode()).hexdigest()[:16], **counts})
