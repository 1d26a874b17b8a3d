"""Payments by card in tests: a Stripe that the platform is set up with, what it tells, and what became of it."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from django.db import connections
from django.test import Client

import outbound
from billing import payments
from billing.models import BankClaim, TopUp, TransferGroup
from tests.billing import money
from tests.fakes.stripe import SECRET_KEY, WEBHOOK_SECRET, FakeStripe, signed, stripe

HOOK = "/api/v1/billing/webhooks/stripe"
DOLLAR = 10**9


@contextmanager
def card_company(settings: Any) -> Generator[FakeStripe]:
    """A Stripe that this platform is set up with, and which is asked about nothing that was begun before."""
    with connections["owner"].cursor() as cursor:
        cursor.execute("UPDATE billing_topup SET next_look_at = '9000-01-01' WHERE rail = 'stripe'")
        cursor.execute("UPDATE billing_bankclaim SET next_look_at = '9000-01-01' WHERE state = 'open'")
    with stripe() as fake:
        outbound.configure(allow=[fake.place])
        settings.ROBUTLER = settings.ROBUTLER.model_copy(
            update={
                "stripe_secret_key": SECRET_KEY,
                "stripe_webhook_secret": WEBHOOK_SECRET,
                "stripe_api_url": f"http://{fake.place}",
            }
        )
        yield fake
        outbound.configure()


@dataclass
class Told:
    """What an endpoint answered."""

    status: int
    said: dict[str, Any]


def tell(body: bytes, signature: str | None = None) -> Told:
    """Stripe sends a message."""
    header = signed(body) if signature is None else signature
    answer = Client().post(HOOK, body, content_type="application/json", headers={"Stripe-Signature": header})
    return Told(answer.status_code, answer.json())


def begun(organization: Any, company: FakeStripe, amount: str = "25") -> str:
    """A page to pay on; answers the session's id."""
    payments.begin(
        id=uuid4(), organization_id=organization.id, amount=amount, return_url="https://x.example/", actor="ann"
    )
    return list(company.sessions)[-1]


def paid(organization: Any, company: FakeStripe, amount: str = "25") -> str:
    """A payment that was made and credited; answers the session's id."""
    session = begun(organization, company, amount)
    assert tell(company.event("checkout.session.completed", company.pay(session))).said["status"] == "credited"
    return session


def credited(organization: Any) -> int:
    """How many top-ups were posted to its wallet."""
    with money.everything():
        return TransferGroup.objects.filter(organization_id=organization.id, kind="top_up").count()


def top_up(session: str) -> TopUp:
    """The top-up that this page is for."""
    with money.everything():
        return TopUp.objects.get(external_id=session)


def claim(dispute: dict[str, Any]) -> BankClaim:
    """What was kept of a bank's claim."""
    with money.everything():
        return BankClaim.objects.get(external_id=dispute["id"])


def let_time_pass(*, days: int = 0) -> None:
    """Let everything that waits for a look be due, and payments have begun so many days earlier."""
    with connections["owner"].cursor() as cursor:
        cursor.execute("ALTER TABLE billing_topup DISABLE TRIGGER guard")
        cursor.execute(
            "UPDATE billing_topup SET next_look_at = now() - interval '1 second', "
            "created_at = created_at - make_interval(mins => 11, days => %s) "
            "WHERE rail = 'stripe' AND next_look_at < '9000-01-01'",
            (days,),
        )
        cursor.execute("ALTER TABLE billing_topup ENABLE TRIGGER guard")
        cursor.execute(
            "UPDATE billing_bankclaim SET next_look_at = now() - interval '1 second' "
            "WHERE state = 'open' AND next_look_at < '9000-01-01'"
        )
