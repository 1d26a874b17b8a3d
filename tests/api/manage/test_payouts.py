"""What staff books of payouts over the management API, and who sees none of it."""

import json
from typing import Any
from uuid import UUID, uuid4

import pytest

from billing import payouts
from tests.api.client import ApiClient
from tests.api.manage.test_moves import STAFF, Employee
from tests.billing import money, payday

DOLLAR = 10**9


@pytest.fixture
def batch(globex: Any) -> UUID:
    """Globex's $20, approved, and with the bank."""
    payday.earn(payday.banked(globex), 20 * DOLLAR)
    id = payday.approved(globex)
    payouts.mark_sent(id=id, actor="grace@example.test", reason="file 7")
    return id


def the_payout(ben: Employee, batch: UUID) -> Any:
    (found,) = ben.client.get(f"{STAFF}/payout-batches/{batch}/payouts").json()["data"]
    return found


def test_a_payout_fails_is_tried_again_and_is_paid(batch: UUID, globex_client: ApiClient) -> None:
    ben = Employee()
    first = the_payout(ben, batch)
    about = f"payouts/{first['id']}"
    failed = {"attempt": first["attempt"], "outcome": "failed", "code": "name_mismatch", "reason": "letter"}

    answers = [ben.send("post", f"{about}/record", **failed).json() for _ in range(2)]
    retried = [ben.send("post", f"{about}/retry", attempt=1, reason="again").json() for _ in range(2)]
    stale = ben.send("post", f"{about}/record", **{**failed, "outcome": "paid", "code": ""})
    paid = ben.send("post", f"{about}/record", attempt=2, outcome="paid", fee_nanos="250000000", reason="statement")

    assert [answer["status"] for answer in answers] == ["failed", "failed"]
    assert [(answer["status"], answer["attempt"]) for answer in retried] == [("pending", 2)] * 2
    assert (stale.status_code, stale.json()["error"]["code"]) == (409, "payout_stale")
    assert (paid.json()["status"], paid.json()["fee_nanos"]) == ("paid", "250000000")
    assert ben.client.get(f"{STAFF}/{about}").json() == paid.json()
    assert globex_client.get(f"/api/v1/billing/payouts/{first['id']}").json["status"] == "paid"
    assert money.broken_rules() == {}


def test_a_payout_whose_earnings_were_gone_can_be_tried_again(globex: Any) -> None:
    payday.earn(payday.banked(globex), 20 * DOLLAR)
    id, ben = payday.calculated(globex), Employee()
    payday.owe_back(globex, 15 * DOLLAR)
    payouts.approve(id=id, actor="grace@example.test", reason="payday")
    failed = the_payout(ben, id)
    assert (failed["status"], failed["attempt"], failed["failure_code"]) == ("failed", 0, "earnings_gone")
    payday.earn(globex, 15 * DOLLAR)
    payday.backdate(globex, days=1)

    again = ben.send("post", f"payouts/{failed['id']}/retry", attempt=0, reason="it earned more")

    assert (again.status_code, again.json()["status"]) == (200, "pending")


@pytest.mark.parametrize(
    ("said", "param"),
    [
        ({"outcome": "failed"}, "code"), ({"outcome": "returned"}, "code"), ({"outcome": "lost"}, "outcome"),
        ({"outcome": "failed", "code": "x", "fee_nanos": "1"}, "fee_nanos"), ({"attempt": -1}, "attempt"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_an_outcome_is_named(said: dict[str, Any], param: str, batch: UUID) -> None:
    ben = Employee()
    about = f"payouts/{the_payout(ben, batch)['id']}/record"

    refused = ben.send("post", about, **{"attempt": 1, "outcome": "paid", "reason": "letter", **said})

    assert (refused.status_code, refused.json()["error"]["param"]) == (400, param)


def test_what_is_not_there_is_not_found(database: None) -> None:
    ben, nobody = Employee(), uuid4()

    for method, path, body in (
        ("get", f"payouts/{nobody}", {}), ("get", f"payout-batches/{nobody}/payouts", {}),
        ("post", f"payouts/{nobody}/retry", {"attempt": 1, "reason": "x"}),
        ("post", f"payouts/{nobody}/record", {"attempt": 1, "outcome": "paid", "reason": "x"}),
    ):  # fmt: skip
        answer = ben.send("post", path, **body) if method == "post" else ben.client.get(f"{STAFF}/{path}")
        assert answer.status_code == 404


def test_neither_customers_nor_who_may_only_look_book_anything(
    batch: UUID, globex_client: ApiClient, acme_client: ApiClient
) -> None:
    id = the_payout(Employee(), batch)["id"]
    body = {"attempt": 1, "outcome": "paid", "reason": "please"}

    for client in (globex_client, acme_client):
        for path in (f"payouts/{id}", f"payout-batches/{batch}/payouts"):
            assert client.get(f"{STAFF}/{path}").status in (401, 403)
        answer = client.request(
            "POST", f"{STAFF}/payouts/{id}/record", content=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )  # fmt: skip
        assert answer.status in (401, 403)
    assert Employee(is_superuser=False).send("post", f"payouts/{id}/record", **body).status_code == 403
    assert acme_client.get(f"/api/v1/billing/payouts/{id}").status == 404
