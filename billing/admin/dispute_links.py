"""What a run's page says about disputes: whether a charge is disputed, and the way there."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlencode
from uuid import UUID

from django.urls import reverse

from billing import disputes
from billing.amounts import dollars
from billing.models import Dispute, Settlement

MOST = 50


@dataclass(frozen=True, kw_only=True)
class Disputable:
    """A charge: its dispute in words and where that is, or where one is opened; an empty address leads nowhere."""

    reference: str
    charged: str
    said: str
    shown_at: str
    opened_at: str


def disputable(run_id: UUID, *, site: Literal["console", "admin"], may_open: bool = False) -> Sequence[Disputable]:
    """The charges of a run, as far as the context may see them."""
    charged = Settlement.objects.filter(hold__charge__run_id=run_id, charged__gt=0).select_related("hold__charge")
    latest = {row.settlement_id: row for row in reversed(disputes.disputes_of_run(run_id))}
    return [
        Disputable(
            reference=settlement.hold.charge.reference,
            charged=dollars(settlement.charged),
            said=_said(found) if (found := latest.get(settlement.pk)) else "",
            shown_at=reverse(f"{site}:billing_dispute_change", args=(found.pk,)) if found else "",
            opened_at=_form(settlement.hold.charge_id) if may_open and not found else "",
        )
        for settlement in charged.order_by("number")[:MOST]
    ]


def _said(dispute: Dispute) -> str:
    if dispute.refund_id:
        return f"Refunded: {dollars(dispute.refunded)}"
    return dispute.get_state_display()


def _form(charge_id: UUID) -> str:
    return f"{reverse('console:billing_dispute_add')}?{urlencode({'charge': charge_id})}"
