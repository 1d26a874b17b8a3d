"""Statements, earnings, payouts, usage and the books of the platform over the management API."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.api.client import ApiClient
from tests.api.manage.test_moves import STAFF, Employee
from tests.billing import calendar, figures, money, payday

BILLING = "/api/v1/billing"
IBAN = "DE89 3704 0044 0532 0130 00"


@pytest.fixture
def closed(acme: Any, acme_client: ApiClient) -> Any:
    """Acme with January 2026 closed: it had $10 and spent a nanodollar."""
    money.settle(money.hold(acme, 5), cost=1)
    calendar.happened(acme, datetime(2026, 1, 5, tzinfo=UTC))
    assert calendar.close(acme, calendar.JANUARY) == "closed"
    return acme


def test_a_statement_is_read_as_json_csv_and_pdf(closed: Any, acme_client: ApiClient) -> None:
    (listed,) = acme_client.get(f"{BILLING}/statements").json["data"]
    one = acme_client.get(f"{BILLING}/statements/2026-01").json
    pdf = acme_client.get(f"{BILLING}/statements/2026-01.pdf")
    table = acme_client.get(f"{BILLING}/statements/2026-01.csv")

    assert listed == one == acme_client.get(f"{BILLING}/statements/2026-01.json").json
    assert (one["usage_nanos"], one["closing_usd"]) == ("1", "9.999999999")
    assert pdf.body.startswith(b"%PDF")
    assert "statement-2026-01.pdf" in pdf.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(table.body.decode(), newline="")))
    assert [row["balance_usd"] for row in rows] == ["10.000000000", "9.999999999"]


def test_statements_of_others_are_not_there(closed: Any, globex_client: ApiClient) -> None:
    assert globex_client.get(f"{BILLING}/statements").json["data"] == []
    assert globex_client.get(f"{BILLING}/statements/%00").status == 404
    for suffix in ("", ".json", ".pdf", ".csv"):
        assert globex_client.get(f"{BILLING}/statements/2026-01{suffix}").status == 404


def test_earnings_say_why_they_wait(acme: Any, globex: Any, acme_client: ApiClient, globex_client: ApiClient) -> None:
    money.settle(money.hold(acme, 500, creator=globex), markup=400)

    earned = globex_client.get(f"{BILLING}/earnings").json

    assert (earned["balance_nanos"], earned["held_back_nanos"], earned["payable_nanos"]) == ("400", "400", "0")
    assert acme_client.get(f"{BILLING}/earnings").json["balance_nanos"] == "0"


def test_a_payout_account_is_kept_and_its_number_never_told(acme_client: ApiClient, globex_client: ApiClient) -> None:
    address = f"{BILLING}/payout-account"
    headers = {"Content-Type": "application/json"}
    assert acme_client.get(address).status == 404

    wrong = acme_client.request(
        "PUT", address, content=json.dumps({"holder": "Acme", "number": IBAN[:-1] + "1"}).encode(), headers=headers
    )
    kept = acme_client.request(
        "PUT", address, content=json.dumps({"holder": "Acme Inc", "number": IBAN}).encode(), headers=headers
    )

    assert (wrong.status, wrong.error["code"]) == (400, "invalid_value")
    assert kept.json["label"] == "Acme Inc, account ending in 3000"
    assert "0532" not in kept.body.decode()
    assert acme_client.get(address).json == kept.json
    assert globex_client.get(address).status == 404


def test_creators_are_paid_when_two_people_agree(globex: Any, globex_client: ApiClient) -> None:
    ann, ben, batch = Employee(), Employee(), str(uuid4())
    payday.earn(payday.banked(globex), 20 * 10**9)
    payday.nobody_else_is_paid(globex)
    payday.backdate(globex, days=100)
    body = {"id": batch, "period": payday.a_month(), "reason": "month end"}

    drawn = ann.send("post", "payout-batches", **body).json()
    own = ann.send("post", f"payout-batches/{batch}/approve", reason="fine")
    approved = ben.send("post", f"payout-batches/{batch}/approve", reason="fine").json()
    sent = ben.send("post", f"payout-batches/{batch}/sent", reason="the bank has it").json()

    assert drawn["status"] == "calculated"
    assert int(drawn["total_nanos"]) >= 20 * 10**9
    assert (own.status_code, own.json()["error"]["code"]) == (409, "payout_same_person")
    assert (approved["status"], sent["status"]) == ("approved", "sending")
    (payout,) = globex_client.get(f"{BILLING}/payouts").json["data"]
    assert (payout["status"], payout["amount_usd"]) == ("sent", "20.000000000")
    assert globex_client.get(f"{BILLING}/payouts/{payout['id']}").json == payout


def test_payouts_of_others_are_not_there(acme_client: ApiClient) -> None:
    assert acme_client.get(f"{BILLING}/payouts").json["data"] == []
    assert acme_client.get(f"{BILLING}/payouts/{uuid4()}").status == 404


def hours(**changes: Any) -> str:
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    asked = {"since": now - timedelta(days=1), "until": now + timedelta(hours=1)}
    values = {name: each.strftime("%Y-%m-%dT%H:%M:%SZ") for name, each in asked.items()}
    return "&".join(f"{name}={value}" for name, value in {**values, **changes}.items())


def test_usage_is_split_and_adds_up_to_the_nanodollar(
    acme: Any, globex: Any, acme_client: ApiClient, globex_client: ApiClient
) -> None:
    for cost in (11, 31):
        money.settle(money.hold(acme, 500, creator=globex), cost=cost, lines=[money.flat("cost", cost)])
    figures.caught_up()

    (whole,) = acme_client.get(f"{BILLING}/usage?{hours()}").json["data"]
    by_agent = acme_client.get(f"{BILLING}/usage?{hours(bucket='day', group_by='agent')}").json["data"]
    table = acme_client.get(f"{BILLING}/usage?{hours(format='csv')}")

    assert (whole["calls"], whole["charged_nanos"], whole["charged_usd"]) == (2, "42", "0.000000042")
    assert sum(int(part["charged_nanos"]) for part in by_agent) == 42
    assert [part["group"] for part in by_agent] == ["run"]
    (row,) = csv.DictReader(io.StringIO(table.body.decode()))
    assert row["charged_nanos"] == "42"
    (theirs,) = globex_client.get(f"{BILLING}/usage?{hours()}").json["data"]
    assert theirs["charged_nanos"] == "0"


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"since": "yesterday"}, "since"),
        ({"since": "2026-01-01T00:30:00Z"}, "since"),
        ({"until": "2020-01-01T00:00:00Z"}, "until"),
        ({"since": "9999-12-31T00:00:00Z", "until": "9999-12-31T00:00:00Z"}, "until"),
        ({"group_by": "colour"}, "group_by"),
        ({"metric": "x"}, "metric"),
    ],
)
def test_what_is_wrong_with_a_span_is_named(changes: dict[str, str], param: str, acme_client: ApiClient) -> None:
    answer = acme_client.get(f"{BILLING}/usage?{hours(**changes)}")

    assert (answer.status, answer.error["param"]) == (400, param)


async def read(response: Any) -> bytes:
    """All of a file that comes in pieces."""
    return b"".join([part async for part in response.streaming_content])


def test_staff_reads_the_books_and_takes_them_along(acme: Any, acme_client: ApiClient) -> None:
    money.settle(money.hold(acme, 500), cost=123)
    figures.caught_up()
    employee, days = Employee(is_superuser=False).client, "first=2026-01-01&last=2099-12-31"

    balance = employee.get(f"{STAFF}/trial-balance").json()
    profit = employee.get(f"{STAFF}/pnl?{days}").json()
    journal = employee.get(f"{STAFF}/exports/journal.jsonl?{days}")
    runs = employee.get(f"{STAFF}/reconciliations")

    assert balance["balanced"] is True
    assert {"wallet", "external_clearing"} <= {row["account"] for row in balance["accounts"]}
    assert int(profit["margin_nanos"]) == int(profit["revenue_nanos"]) - int(profit["cost_nanos"])
    lines = [json.loads(line) for line in money.run(read(journal)).splitlines()]
    assert f"organization:{acme.id}:wallet" in {line["debit"] for line in lines}
    assert runs.status_code == 200
    assert employee.get(f"{STAFF}/exports/secrets.csv?{days}").status_code == 404
    assert employee.get(f"{STAFF}/pnl?first=9999-12-31&last=9999-12-31").status_code == 400


@pytest.mark.parametrize("path", ["trial-balance", "pnl", "reconciliations", "exports/journal.csv", "payout-batches"])
def test_customers_see_nothing_of_it(path: str, acme_client: ApiClient) -> None:
    assert acme_client.get(f"{STAFF}/{path}").status in (401, 403)
