"""News of money reaches those who listen: once as far as anybody can tell, signed, and again when it did not arrive."""

import base64
import hmac
import json
from collections.abc import Generator, Sequence
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core import mail
from django.db import connections

import outbound
from billing import alerts, outbox, webhooks
from billing.errors import InvalidWebhook
from billing.models import Delivery, OutboxEvent, WebhookEndpoint
from tenants.context import organization_context
from tenants.models import Organization
from tenants.roles import Role
from tenants.secret import Secret
from tenants.services.credentials import rotate_data_key, shred_secrets
from tests import make
from tests.billing import money
from tests.fakes.receiver import Message, Receiver, receiver


@pytest.fixture
def listener() -> Generator[Receiver]:
    """Somebody who listens, where the operator lets messages go."""
    with receiver() as heard:
        outbound.configure(allow=[heard.place])
        yield heard
        outbound.configure()


def listening(organization: Organization, heard: Receiver, *topics: str) -> tuple[WebhookEndpoint, Secret]:
    with organization_context(organization.id):
        return webhooks.add_endpoint(url=heard.url, topics=topics or ("topup.succeeded",))


def tell(organization: Organization, topic: str = "topup.succeeded", **payload: Any) -> str:
    """Have something happen to an organization's money; answers its key."""
    key = f"{topic}:{uuid4()}"
    with connections["owner"].cursor() as cursor:
        cursor.execute("SET ROLE robutler_ledger")
        try:
            cursor.execute("SELECT billing_tell(%s, %s, %s, %s)", (organization.id, topic, key, json.dumps(payload)))
        finally:
            cursor.execute("RESET ROLE")
    return key


def deliveries(key: str) -> Sequence[Delivery]:
    with money.everything():
        return list(Delivery.objects.filter(event__key=key).order_by("created_at"))


def hurry(key: str) -> None:
    """Let the pause before the next attempt be over."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "UPDATE billing_delivery SET next_attempt_at = now() FROM billing_outboxevent e "
            "WHERE e.id = event_id AND e.key = %s",
            (key,),
        )


def signatures(message: Message, *secrets: Secret) -> list[str]:
    """What a receiver computes, by the specification."""
    content = f"{message.headers['webhook-id']}.{message.headers['webhook-timestamp']}.".encode() + message.body
    keys = [base64.b64decode(secret.reveal().removeprefix("whsec_")) for secret in secrets]
    return ["v1," + base64.b64encode(hmac.digest(key, content, "sha256")).decode() for key in keys]


def test_an_event_reaches_who_listens(acme: Organization, listener: Receiver) -> None:
    _, secret = listening(acme, listener)

    key = tell(acme, amount_nanos="5000000000")
    outbox.relay()

    [message] = listener.messages
    body = json.loads(message.body)
    assert (body["type"], body["data"]) == ("topup.succeeded", {"amount_nanos": "5000000000"})
    assert body["id"] == message.headers["webhook-id"]
    assert body["organization_id"] == str(acme.id)
    assert message.headers["webhook-signature"].split(" ") == signatures(message, secret)
    assert [delivery.state for delivery in deliveries(key)] == ["delivered"]


def test_what_nobody_listens_to_is_not_written(acme: Organization, globex: Organization, listener: Receiver) -> None:
    listening(globex, listener)
    listening(acme, listener, "refund.made")

    key = tell(acme)

    with money.everything():
        assert not OutboxEvent.objects.filter(key=key).exists()


def test_an_event_is_told_once_per_key(acme: Organization, listener: Receiver) -> None:
    listening(acme, listener)
    key = tell(acme)

    with connections["owner"].cursor() as cursor:
        cursor.execute("SET ROLE robutler_ledger")
        cursor.execute("SELECT billing_tell(%s, 'topup.succeeded', %s, '{}')", (acme.id, key))
        cursor.execute("RESET ROLE")
    outbox.relay()
    outbox.relay()

    assert len(listener.messages) == 1


def test_no_event_waits_because_many_came_before_it(
    acme: Organization, listener: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    listening(acme, listener)
    monkeypatch.setattr(outbox, "EVENTS_AT_ONCE", 2)
    keys = [tell(acme) for _ in range(5)]

    outbox.relay()

    assert [delivery.state for key in keys for delivery in deliveries(key)] == [Delivery.State.DELIVERED] * 5


def test_a_message_that_did_not_arrive_comes_again_under_the_same_id(acme: Organization, listener: Receiver) -> None:
    listening(acme, listener)
    listener.answers = [500, 302]
    key = tell(acme)

    for _ in range(3):
        outbox.relay()
        hurry(key)

    ids = {message.headers["webhook-id"] for message in listener.messages}
    assert (len(listener.messages), len(ids)) == (3, 1)
    assert len({message.body for message in listener.messages}) == 1
    [delivery] = deliveries(key)
    assert (delivery.state, delivery.attempts, delivery.answer) == ("delivered", 3, "HTTP 204")


def test_nobody_waits_before_the_pause_is_over(acme: Organization, listener: Receiver) -> None:
    listening(acme, listener)
    listener.answers = [500]
    tell(acme)

    outbox.relay()
    outbox.relay()

    assert len(listener.messages) == 1


def test_after_a_day_a_delivery_is_given_up(acme: Organization, listener: Receiver) -> None:
    listening(acme, listener)
    listener.answers = [503] * (len(outbox.PAUSES) + 1)
    key = tell(acme)

    for _ in range(len(outbox.PAUSES) + 3):
        outbox.relay()
        hurry(key)

    assert sum(outbox.PAUSES, timedelta()) > timedelta(hours=23)
    assert len(listener.messages) == len(outbox.PAUSES) + 1
    assert [(delivery.state, delivery.answer) for delivery in deliveries(key)] == [("dead", "HTTP 503")]


def test_who_is_gone_is_told_no_more(acme: Organization, listener: Receiver) -> None:
    endpoint, _ = listening(acme, listener)
    listener.answers = [410]
    tell(acme)

    outbox.relay()

    with organization_context(acme.id):
        assert not webhooks.endpoint_of(endpoint.id).active


def test_a_worker_that_died_with_a_delivery_loses_it_to_the_next(acme: Organization, listener: Receiver) -> None:
    listening(acme, listener)
    key = tell(acme)
    outbox.publish_events()
    lost = outbox._claim()

    hurry(key)
    outbox.relay()
    for delivery in lost:
        outbox._note(delivery, outbox.Outcome(arrived=False, answer="too late"))

    [delivery] = deliveries(key)
    assert (delivery.state, delivery.attempts) == ("delivered", 2)


def test_wh_01_both_secrets_sign_while_one_replaces_the_other(acme: Organization, listener: Receiver) -> None:
    endpoint, before = listening(acme, listener)
    with organization_context(acme.id):
        after = webhooks.rotate_secret(endpoint, overlap=timedelta(hours=1))
    tell(acme)
    outbox.relay()

    with organization_context(acme.id):
        last = webhooks.rotate_secret(endpoint, overlap=timedelta(0))
    tell(acme)
    outbox.relay()

    during, later = listener.messages
    assert during.headers["webhook-signature"].split(" ") == signatures(during, after, before)
    assert later.headers["webhook-signature"].split(" ") == signatures(later, last)


def test_a_new_data_key_keeps_secrets_and_shredding_ends_them(acme: Organization, listener: Receiver) -> None:
    _, secret = listening(acme, listener)

    with organization_context(acme.id):
        rotate_data_key(acme.id)
    tell(acme)
    outbox.relay()
    with organization_context(acme.id):
        shred_secrets(acme.id)

    key = tell(acme)
    outbox.relay()

    [message] = listener.messages
    assert message.headers["webhook-signature"].split(" ") == signatures(message, secret)
    assert "shredded" in deliveries(key)[0].answer


@pytest.mark.parametrize(
    ("url", "topics", "field"),
    [
        ("http://127.0.0.1:1/", ["refund.made"], "url"),
        ("https://169.254.169.254/latest", ["refund.made"], "url"),
        ("http://hooks.example.com/", ["refund.made"], "url"),
        ("https://user:secret@hooks.example.com/", ["refund.made"], "url"),
        ("ftp://hooks.example.com/", ["refund.made"], "url"),
        ("https://hooks.example.com/", ["refund.unmade"], "topics"),
        ("https://hooks.example.com/", [], "topics"),
    ],
)
def test_an_endpoint_that_cannot_be_is_refused(url: str, topics: list[str], field: str, acme: Organization) -> None:
    with organization_context(acme.id), pytest.raises(InvalidWebhook) as refused:
        webhooks.add_endpoint(url=url, topics=topics)

    assert refused.value.field == field


def test_those_who_look_after_money_are_warned_by_mail_once(acme: Organization) -> None:
    payer = make.member(make.wallet(acme, 3_000_000_000), Role.BILLING).user
    make.member(acme, Role.DEVELOPER)
    with organization_context(acme.id):
        alerts.set_balance_alert(5_000_000_000)

    for _ in range(2):
        alerts.raise_alerts()
        outbox.relay()

    [message] = [sent for sent in mail.outbox if sent.to == [payer.email]]
    assert message.subject == "Your balance is below $5.00"
    assert "has $3.00 left" in message.body


def test_who_recovered_is_warned_again(acme: Organization) -> None:
    payer = make.member(make.wallet(acme, 1_000_000_000), Role.OWNER).user
    with organization_context(acme.id):
        alerts.set_balance_alert(2_000_000_000)

    alerts.raise_alerts()
    make.wallet(acme, 5_000_000_000)
    alerts.raise_alerts()
    held = money.hold(acme, 5_500_000_000)
    alerts.raise_alerts()
    outbox.relay()
    money.release(held)

    assert len([sent for sent in mail.outbox if sent.to == [payer.email]]) == 2
