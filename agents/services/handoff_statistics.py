"""How often agents pass conversations on, to whom, and how that goes: questions to the rows of runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Avg, Count, DurationField, ExpressionWrapper, F, Q

from agents.models import Run
from agents.models.run import RunStatus

MOST_PAIRS = 100


@dataclass(frozen=True, kw_only=True)
class Passed:
    """One agent that passed on to another of the current organization's, and how often. Runs in progress count too."""

    giver: str
    receiver: str
    count: int
    succeeded: int
    mean_s: float | None
    """From the beginning of what took over to its end; None while none has ended."""


def passed_on(*, since: datetime, until: datetime) -> Sequence[Passed]:
    """Who passed on to the current organization's agents, those who did so most often first."""
    took = ExpressionWrapper(F("ended_at") - F("started_at"), output_field=DurationField())
    rows = (
        Run.served.exclude(handed_by="")
        .filter(started_at__gte=since, started_at__lt=until)
        .values("handed_by", "agent__slug")
        .annotate(
            count=Count("id"),
            succeeded=Count("id", filter=Q(status=RunStatus.FINISHED)),
            mean=Avg(took, filter=Q(ended_at__isnull=False)),
        )
        .order_by("-count", "handed_by", "agent__slug")[:MOST_PAIRS]
    )
    return [
        Passed(
            giver=row["handed_by"],
            receiver=row["agent__slug"],
            count=row["count"],
            succeeded=row["succeeded"],
            mean_s=row["mean"].total_seconds() if row["mean"] is not None else None,
        )
        for row in rows
    ]
