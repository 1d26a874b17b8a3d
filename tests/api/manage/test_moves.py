"""Money in and back over the management API: what an organization sees, and what staff moves, two where it is much."""

import json
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from billing import grants, ledger
from tests import make
from tests.api.client import ApiClient
from tests.billing import money

DOLLAR = 10**9
STAFF = "/api/v1/admin/billing"


class Employee:
    """Somebody of the platform's staff, signed in."""

    def __init__(self, *, is_superuser: bool = True) -> None:
        self.client = Client()
        self.client.force_login(make.user(is_staff=True, is_superuser=is_superuser))

    def send(self, method: str, path: str, **body: Any) -> Any:
        send = getattr(self.client, method)
        return send(f"{STAFF}/{path}", json.dumps(body), content_type="application/json")


@pytest.fixture
def ann(database: None) -> Employee:
    return Employee()


@pytest.fixture
def ben(database: None) -> Employee:
    return Employee()


def test_money_is_entered_and_much_of_it_approved_by_another(acme: Any, ann: Employee, ben: Employee) -> None:
    few = {"id": str(uuid4()), "organization_id": str(acme.id), "amount_nanos": "5000000000", "reference": "wire 1"}
    much = {**few, "id": str(uuid4()), "amount_nanos": "500000000000"}

    assert ann.send("post", "topups", **few).json()["status"] == "credited"
    assert ann.send("post", "topups", **few).json()["status"] == "credited"
    assert ann.send("post", "topups", **much).json()["status"] == "pending"
    own = ann.send("post", f"topups/{much['id']}/decide", approve=True)
    assert (own.status_code, own.json()["error"]["code"]) == (409, "movement_same_person")
    assert ben.send("post", f"topups/{much['id']}/decide", approve=True).json()["status"] == "credited"
    taken = ann.send("post", "topups", **{**few, "amount_nanos": "6"})
    assert (taken.status_code, taken.json()["error"]["code"]) == (409, "id_taken")
    assert ledger.balance(acme.id).posted == 505 * DOLLAR


def test_an_organization_sees_its_own_top_ups_and_credit(
    acme: Any, acme_client: ApiClient, globex_client: ApiClient
) -> None:
    grants.give(
        id=uuid4(), organization_id=acme.id, source="promo", amount_nanos=3 * DOLLAR, reason="hello", actor="ann"
    )

    (credit,) = acme_client.get("/api/v1/billing/grants").json["data"]
    top_ups = acme_client.get("/api/v1/billing/topups?limit=1").json

    assert (credit["amount_usd"], credit["remaining_usd"], credit["source"]) == ("3.000000000", "3.000000000", "promo")
    assert [row["status"] for row in top_ups["data"]] == ["credited"]
    assert globex_client.get("/api/v1/billing/grants").json["data"] == []
    ours = {row["id"] for row in acme_client.get("/api/v1/billing/topups").json["data"]}
    assert not ours & {row["id"] for row in globex_client.get("/api/v1/billing/topups").json["data"]}


def test_a_charge_is_given_back_and_a_transaction_reversed(acme: Any, globex: Any, ann: Employee) -> None:
    hold = money.hold(make.wallet(acme, 100 * DOLLAR), 10 * DOLLAR, creator=globex)
    money.settle(hold, cost=4 * DOLLAR, markup=6 * DOLLAR)
    refund = {
        "id": str(uuid4()), "charge_id": str(hold), "amount_nanos": "3000000000", "reason": "fault", "remark": "broke",
        "clawback": True,
    }  # fmt: skip

    made = ann.send("post", "refunds", **refund)
    too_much = ann.send("post", "refunds", **{**refund, "id": str(uuid4()), "amount_nanos": "8000000000"})
    absent = ann.send("post", "refunds", **{**refund, "id": str(uuid4()), "charge_id": str(uuid4())})

    assert made.json()["status"] == "made"
    assert (too_much.status_code, too_much.json()["error"]["code"]) == (409, "movement_too_much")
    assert absent.status_code == 404
    assert ledger.balance(acme.id).posted == 93 * DOLLAR
    assert money.broken_rules() == {}


def test_a_wallet_is_frozen_and_opened(acme: Any, ann: Employee) -> None:
    make.wallet(acme, 5)

    frozen = ann.send("put", f"wallets/{acme.id}/standing", standing="frozen", reason="looked at")
    assert (frozen.status_code, ledger.balance(acme.id).status) == (200, "frozen")
    ann.send("put", f"wallets/{acme.id}/standing", standing="open", reason="all well")
    assert ledger.balance(acme.id).status == "open"


@pytest.mark.parametrize("noun", ["topups", "grants", "refunds", "adjustments", "write-offs", "reversals"])
def test_nobody_but_superusers_moves_money(noun: str, acme_client: ApiClient) -> None:
    assert Employee(is_superuser=False).send("post", noun).status_code == 403
    assert acme_client.post(f"{STAFF}/{noun}", {}).status in (401, 403)
