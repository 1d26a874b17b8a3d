"""Limits set and taken away; every process hears of it at once."""

from typing import Final
from uuid import UUID

from tenants import audit, context, notify
from tenants.errors import TooManyRules
from tenants.limits import NAMES, Limits
from tenants.models import RateLimit

MOST_RULES: Final = 1_000
"""Of one organization: every process that serves it keeps them all in mind."""


def set_limits(*, organization_id: UUID, kind: str, subject: str, limits: Limits) -> RateLimit:
    """Say what holds for one subject, instead of what was said before.

    In platform work it is staff's word, which may lift the platform's defaults; else a member's, which only lowers.
    """
    with context.atomic():
        rules = RateLimit.objects.filter(organization_id=organization_id)
        rule, _ = rules.update_or_create(
            organization_id=organization_id,
            kind=kind,
            subject=subject,
            set_by_staff=context.in_platform(),
            defaults={name: getattr(limits, name) for name in NAMES},
        )
        if rules.count() > MOST_RULES:
            raise TooManyRules(f"An organization has at most {MOST_RULES} rules; remove one first.")
        audit.record(action="limits.set", object=rule, organization_id=organization_id, detail=limits.said)
        notify.publish("organization", str(organization_id))
    return rule


def remove_limits(rule: RateLimit) -> None:
    """Let hold again what would without this rule."""
    with context.atomic():
        audit.record(action="limits.removed", object=rule, organization_id=rule.organization_id)
        rule.delete()
        notify.publish("organization", str(rule.organization_id))
