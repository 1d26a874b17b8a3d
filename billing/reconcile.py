"""Reconciliation: what can be proved of the books of a day, kept for good, with an open ticket for what differs."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date

from django.db.models import QuerySet
from django.utils import timezone

from billing import invariants, rollups
from billing.errors import BillingError
from billing.findings import Finding, findings
from billing.invariants import Look, last_look
from billing.models import Discrepancy, Reconciliation
from billing.provider_usage import Compared, Said, UnreadableExport, compare, read_export
from tenants.context import atomic, platform_context

__all__ = [
    "AlreadyExplained", "Finding", "Look", "Report", "UnreadableExport", "check_invariants", "explain", "last_look",
    "last_report", "open_discrepancies", "read_export", "reconcile", "reconciliations",
]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Report:
    """A reconciliation of one day."""

    id: int
    day: date
    findings: Sequence[Finding]

    @property
    def breaks(self) -> int:
        """How many rules are broken."""
        return sum(finding.state == "broken" for finding in self.findings)


class AlreadyExplained(BillingError):
    """Nobody has to explain this difference any more."""


def check_invariants(*, is_full: bool) -> Mapping[str, int]:
    """Look at what must always hold and keep what was found; every minute at what is cheap, every hour at all."""
    return invariants.look(is_full=is_full)


def reconcile(*, day: date, export: Sequence[Said] | None = None, actor: str = "") -> Report:
    """Compare everything that should agree, keep what was found, and open a ticket for each difference.

    `export` is what providers say they did; without it that comparison is left out.
    """
    began = time.monotonic()
    rollups.refresh()
    found = invariants.look(is_full=True)
    compared = None if export is None else compare(day, export)
    results = tuple(findings(day, found=found, compared=compared))
    breaks = sum(finding.state == "broken" for finding in results)
    with platform_context(reason=f"keep the reconciliation of {day}"), atomic():
        kept = Reconciliation.objects.create(
            day=day,
            actor=actor,
            findings=[asdict(finding) for finding in results],
            breaks=breaks,
            took_ms=round((time.monotonic() - began) * 1000),
        )
        Discrepancy.objects.bulk_create(_tickets(kept, results, compared or ()), ignore_conflicts=True)
    return Report(id=kept.id, day=day, findings=results)


def explain(discrepancy_id: int, *, explanation: str, actor: str) -> Discrepancy:
    """Close a ticket by saying where the difference comes from. Raises AlreadyExplained."""
    with platform_context(reason="explain a difference"), atomic():
        ticket = Discrepancy.objects.select_for_update().filter(id=discrepancy_id, explained_at=None).first()
        if ticket is None:
            raise AlreadyExplained("This difference has been explained already.")
        ticket.explanation, ticket.explained_by, ticket.explained_at = explanation, actor, timezone.now()
        ticket.save(update_fields=["explanation", "explained_by", "explained_at"])
    return ticket


def reconciliations() -> QuerySet[Reconciliation]:
    """All of them, newest first; staff only."""
    return Reconciliation.objects.order_by("-id")


def reconciliations_before(id: int | None, *, limit: int) -> Sequence[Reconciliation]:
    """The latest, or those that came before the one with this id; in platform work."""
    rows = reconciliations().order_by("-id")
    return list((rows if id is None else rows.filter(id__lt=id))[:limit])


def last_report() -> Reconciliation | None:
    """The newest one; staff only."""
    return reconciliations().first()


def open_discrepancies() -> QuerySet[Discrepancy]:
    """What nobody has explained yet, oldest first; staff only."""
    return Discrepancy.objects.filter(explained_at=None).order_by("id")


def _tickets(kept: Reconciliation, results: Sequence[Finding], compared: Sequence[Compared]) -> list[Discrepancy]:
    """One for each rule that is broken, and for the providers' one for each model; an open one is not opened again."""
    of_rules = [
        (finding.rule, f"{finding.check} on {kept.day}", finding.ours or finding.violations, finding.theirs or 0)
        for finding in results
        if finding.state == "broken" and finding.rule != "R5"
    ]
    of_models = [
        ("R5", f"{each.model or 'no model'} on {kept.day}", each.ours, each.theirs)
        for each in compared
        if each.is_beyond_tolerance
    ]
    return [
        Discrepancy(reconciliation=kept, rule=rule, subject=subject[:250], ours=ours, theirs=theirs)
        for rule, subject, ours, theirs in (*of_rules, *of_models)
    ]
