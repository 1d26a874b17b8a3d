"""Memories as rows: kept, found by words and by likeness, forgotten. All of it for one end user of one agent."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connections
from django.utils import timezone

from agents.models import Memory
from agents.runtime import similarity
from tenants.context import alias, atomic
from tenants.ids import uuid7

ITERATIVE_SCAN = "SET LOCAL hnsw.iterative_scan = strict_order"

# The tenant, the agent and the end user stand in both halves, and no parameter of a search reaches them. Words are
# joined by OR: that a memory has them all would ask too much of it. The 50 best of each half are joined by reciprocal
# rank fusion with its usual constant, 60 (Cormack, Clarke and Buettcher, 2009). The vectors' kind is as in their index.
_SEARCH = """
WITH asked AS (
    SELECT replace(plainto_tsquery('english', %(query)s)::text, '&', '|')::tsquery AS words
), by_words AS (
    SELECT m.id, row_number() OVER (ORDER BY ts_rank(m.words, asked.words, 1) DESC, m.id) AS place
    FROM agents_memory m, asked
    WHERE m.organization_id = %(organization)s AND m.agent_id = %(agent)s AND m.end_user = %(end_user)s
        AND m.kind = %(kind)s AND m.words @@ asked.words
    ORDER BY place LIMIT 50
), nearest AS (
    SELECT m.id, m.embedding::vector(256) <=> %(vector)s AS distance
    FROM agents_memory m
    WHERE m.organization_id = %(organization)s AND m.agent_id = %(agent)s AND m.end_user = %(end_user)s
        AND m.kind = %(kind)s AND m.embedder = 'ngrams-256'
    ORDER BY distance LIMIT 50
), by_likeness AS (
    SELECT id, row_number() OVER (ORDER BY distance, id) AS place FROM nearest WHERE distance < 1 - %(least)s
), joined AS (
    SELECT id, sum(1.0 / (60 + place)) AS score
    FROM (SELECT id, place FROM by_words WHERE %(with_words)s
        UNION ALL SELECT id, place FROM by_likeness WHERE %(with_likeness)s) AS both_halves
    GROUP BY id ORDER BY score DESC, id LIMIT %(limit)s
)
SELECT m.id, m.text, m.metadata, m.created_at,
    1 - (m.embedding::vector(256) <=> %(vector)s) AS similarity
FROM joined JOIN agents_memory m USING (id) ORDER BY joined.score DESC, joined.id
"""


@dataclass(frozen=True, kw_only=True)
class Of:
    """Whose memories these are, and of which kind."""

    organization_id: UUID
    agent_id: UUID
    end_user: str
    kind: str


@dataclass(frozen=True, kw_only=True)
class Found:
    """A memory that fits."""

    id: UUID
    text: str
    metadata: Mapping[str, Any]
    created_at: Any
    similarity: float | None


def save(
    of: Of, *, text: str, metadata: Mapping[str, Any], at_most: int, agent_organization_id: UUID, agent_slug: str
) -> UUID:
    """Keep a memory; the same text once, and beyond `at_most` not the oldest."""
    with atomic():
        known = _of(of).filter(text=text).values_list("id", flat=True).first()
        if known is not None:
            return UUID(str(known))
        made = Memory.objects.create(
            id=uuid7(),
            **vars(of),
            agent_organization_id=agent_organization_id,
            agent_slug=agent_slug,
            text=text,
            metadata=metadata,
            embedder=similarity.NAME,
            embedding=similarity.vector_of(text),
            created_at=timezone.now(),
        )
        kept = _of(of).order_by("-created_at", "-id").values_list("id", flat=True)[:at_most]
        _of(of).exclude(id__in=list(kept)).delete()
    return UUID(str(made.id))


def search(
    of: Of, *, query: str, limit: int, min_similarity: float, words: bool = True, likeness: bool = True
) -> Sequence[Found]:
    """Those that fit best, joined from both halves, or from one of them."""
    values: dict[str, Any] = {
        "organization": of.organization_id,
        "agent": of.agent_id,
        "end_user": of.end_user,
        "kind": of.kind,
        "query": query,
        "vector": str(similarity.vector_of(query)),
        "least": min_similarity,
        "with_words": words,
        "with_likeness": likeness,
        "limit": limit,
    }
    with atomic(), connections[alias()].cursor() as cursor:
        cursor.execute(ITERATIVE_SCAN)
        cursor.execute(_SEARCH, values)
        rows = cursor.fetchall()
    # Django leaves JSON as text where it did not write the statement.
    return [
        Found(id=id, text=text, metadata=json.loads(metadata), created_at=created_at, similarity=similar)
        for id, text, metadata, created_at, similar in rows
    ]


def latest(of: Of, *, limit: int) -> Sequence[Found]:
    """Those that were kept last."""
    rows = _of(of).order_by("-created_at", "-id").values("id", "text", "metadata", "created_at")[:limit]
    return [Found(**row, similarity=None) for row in rows]


def count(of: Of) -> int:
    """How many there are."""
    return int(_of(of).count())


def delete(of: Of, memory_id: UUID) -> bool:
    """Forget one; whether there was one."""
    return bool(_of(of).filter(id=memory_id).delete()[0])


def _of(of: Of) -> Any:
    return Memory.objects.filter(**vars(of))
