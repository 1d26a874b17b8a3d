"""What stands open at this moment, and single settlements as pages of figures list them; staff only."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import connections

from billing.figures import Span
from tenants.context import PLATFORM, platform_context

AGES: Final = ("under a minute", "1 to 5 minutes", "5 to 15 minutes", "over 15 minutes")

_HOLDS: Final = """
    SELECT width_bucket(extract(epoch FROM now() - opened_at), ARRAY[60, 300, 900]), count(*), sum(amount)
    FROM billing_hold WHERE state = 'open' AND parent_id IS NULL GROUP BY 1
"""
_FACTS: Final = """
    SELECT f.charge_id, f.at, o.name, f.reference, f.model, f.source, f.charged, f.platform_share, f.own_cost, f.loss
    FROM billing_usagefact f JOIN tenants_organization o ON o.id = f.organization_id
    WHERE f.at >= %s AND f.at < %s{parts}
    ORDER BY f.at DESC, f.id LIMIT %s OFFSET %s
"""


@dataclass(frozen=True, kw_only=True)
class HoldsOfAge:
    """Open holds that are about as old as each other."""

    age: str
    count: int
    amount: int


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One settlement, or one loss without a hold, in a list. Nanodollars."""

    charge_id: UUID
    at: datetime
    organization: str
    reference: str
    model: str
    source: str
    charged: int
    platform_share: int
    own_cost: int
    loss: int

    @property
    def margin(self) -> int:
        """What the platform kept of it."""
        return self.platform_share - self.own_cost


def holds_by_age() -> Sequence[HoldsOfAge]:
    """What runs have reserved, by how long ago; holds within holds are part of theirs."""
    with platform_context(reason="holds by age"), connections[PLATFORM].cursor() as cursor:
        cursor.execute(_HOLDS)
        found = {bucket: (count, int(amount)) for bucket, count, amount in cursor.fetchall()}
    return tuple(
        HoldsOfAge(age=age, count=found.get(number, (0, 0))[0], amount=found.get(number, (0, 0))[1])
        for number, age in enumerate(AGES)
    )


def facts(span: Span, *, limit: int, offset: int = 0) -> Sequence[Fact]:
    """What a span is made of, newest first."""
    parts = "".join(f" AND f.{name} = %s" for name in span.filters)
    values = (span.since, span.until, *span.filters.values(), limit, offset)
    with platform_context(reason="list settlements"), connections[PLATFORM].cursor() as cursor:
        cursor.execute(_FACTS.format(parts=parts), values)
        return tuple(
            Fact(
                charge_id=row[0],
                at=row[1],
                organization=row[2],
                reference=row[3],
                model=row[4],
                source=row[5],
                charged=row[6],
                platform_share=row[7],
                own_cost=row[8],
                loss=row[9],
            )
            for row in cursor.fetchall()
        )
