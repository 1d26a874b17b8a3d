"""What happens to charges and holds is told to those who asked for it, in the transaction in which it happens."""

import json
from typing import Any

import pytest

import outbound
from billing import outbox, webhooks
from billing.models import OutboxEvent
from tenants.context import organization_context
from tenants.models import Organization
from tests import make
from tests.billing import money
from tests.fakes.receiver import receiver


@pytest.fixture
def payer(acme: Organization) -> Organization:
    """Acme with 1,000 nanodollars, which wants to hear of everything."""
    with organization_context(acme.id):
        webhooks.add_endpoint(url="https://hooks.example.com/", topics=["charge.settled", "hold.expired"])
    return make.wallet(acme, 1_000)


def told(organization: Organization, topic: str) -> list[dict[str, Any]]:
    """The payloads of what an organization was told of a topic."""
    with money.everything():
        events = OutboxEvent.objects.filter(organization_id=organization.id, topic=topic).order_by("created_at")
        return [event.payload for event in events]


def test_a_settled_charge_is_told_once(payer: Organization, globex: Organization) -> None:
    hold = money.hold(payer, 500, creator=globex)
    money.settle(hold, cost=100, markup=20)
    money.settle(hold, cost=100, markup=20)

    (news,) = told(payer, "charge.settled")
    assert (news["charge_id"], news["charged_nanos"], news["status"]) == (str(hold), "120", "finished")
    assert told(globex, "charge.settled") == []


def test_a_charge_that_came_to_nothing_is_told_of_too_and_a_released_hold_is_not(payer: Organization) -> None:
    money.settle(money.hold(payer, 500))
    money.release(money.hold(payer, 500))

    assert [news["charged_nanos"] for news in told(payer, "charge.settled")] == ["0"]


def test_holds_that_nobody_came_back_for_are_told_of(payer: Organization) -> None:
    silent, spent = money.hold(payer, 300), money.hold(payer, 200)
    money.checkpoint(spent, cost=90)
    money.expire(silent, spent)
    money.sweep()

    news = {each["hold_id"]: each["charged_nanos"] for each in told(payer, "hold.expired")}
    assert news == {str(silent): "0", str(spent): "90"}


def test_who_does_not_listen_is_told_nothing(globex: Organization) -> None:
    make.wallet(globex, 1_000)
    money.settle(money.hold(globex, 500), cost=5)

    assert told(globex, "charge.settled") == []


def test_news_of_charges_arrives_at_who_listens_and_only_once_it_is_true(acme: Organization) -> None:
    with receiver() as heard:
        outbound.configure(allow=[heard.place])
        with organization_context(acme.id):
            webhooks.add_endpoint(url=heard.url, topics=["charge.settled", "hold.expired"])
        settled, lost = (money.hold(make.wallet(acme, 1_000), amount) for amount in (500, 300))
        outbox.relay()
        assert heard.messages == []

        money.settle(settled, cost=120)
        money.expire(lost)
        money.sweep()
        outbox.relay()
        outbox.relay()
        outbound.configure()

    news = {body["type"]: body["data"] for body in (json.loads(message.body) for message in heard.messages)}
    assert len(heard.messages) == len(news) == 2
    assert (news["charge.settled"]["charge_id"], news["charge.settled"]["charged_nanos"]) == (str(settled), "120")
    assert (news["hold.expired"]["hold_id"], news["hold.expired"]["amount_nanos"]) == (str(lost), "300")
