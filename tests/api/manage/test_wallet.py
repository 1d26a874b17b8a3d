"""The management API of money: what an organization has, holds, owes and moved, for a key or a signed-in member."""

from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from billing.amounts import NANOS_PER_DOLLAR
from tenants.roles import Role
from tests import make
from tests.api.client import HELLO, ApiClient
from tests.billing import money

WALLET = "/api/v1/billing/wallet"
PER_RUN_NANOS = 1_500_000
READS = (WALLET, "/api/v1/billing/holds", "/api/v1/billing/charges", "/api/v1/billing/transactions")


@pytest.fixture
def paid(acme: Any) -> str:
    """The address of a public agent of Acme's that costs something by the run."""
    slug = make.published(acme, visibility="public", price_per_run_nanos=PER_RUN_NANOS).slug
    return f"{acme.slug}/{slug}"


@pytest.fixture
def run_id(paid: str, globex_client: ApiClient) -> str:
    """A run that Globex has paid for."""
    answer = globex_client.post(f"/{paid}/chat/completions", HELLO)
    assert answer.status == 200
    return str(answer.headers["x-robutler-run-id"])


def member(organization: Any, role: Role) -> Client:
    """Somebody signed in, with a seat."""
    person = make.user(password="a long enough password")
    make.member(organization, role, person=person)
    client = Client(enforce_csrf_checks=True)
    client.force_login(person)
    return client


def test_a_wallet_is_told_in_strings(globex: Any, globex_client: ApiClient, run_id: str) -> None:
    before = globex_client.get(WALLET).json

    held = money.hold(globex, 400)
    wallet = globex_client.get(WALLET).json
    money.release(held)

    assert wallet["object"] == "wallet"
    assert wallet["held_nanos"] == "400"
    assert int(wallet["available_nanos"]) == int(before["available_nanos"]) - 400
    assert wallet["posted_usd"] == f"{int(wallet['posted_nanos']) / NANOS_PER_DOLLAR:.9f}"
    assert wallet["status"] == "open"


def test_a_charge_shows_its_bill(globex_client: ApiClient, run_id: str) -> None:
    charges = globex_client.get("/api/v1/billing/charges").json

    bill = globex_client.get(f"/api/v1/billing/charges/{charges['data'][0]['id']}").json

    assert charges["data"][0]["run_id"] == run_id
    assert charges["data"][0]["charged_nanos"] == bill["settlement"]["charged_nanos"]
    assert sum(int(line["amount_nanos"]) for line in bill["transfers"]) == int(bill["settlement"]["charged_nanos"])
    assert bill["children"] == []


def test_a_transaction_is_seen_from_both_sides(acme_client: ApiClient, globex_client: ApiClient, run_id: str) -> None:
    of_payer = globex_client.get("/api/v1/billing/transactions").json["data"][0]
    of_creator = acme_client.get(f"/api/v1/billing/transactions/{of_payer['id']}").json

    wallet = {"owner": "organization", "account": "wallet"}
    assert all(line["from"] == wallet for line in of_payer["transfers"])
    assert {line["to"]["owner"] for line in of_payer["transfers"]} <= {"platform", "other"}
    assert [line["amount_nanos"] for line in of_creator["transfers"]] == [str(PER_RUN_NANOS)]
    assert of_creator["transfers"][0]["from"] == {"owner": "other", "account": None}
    assert of_creator["transfers"][0]["to"] == {"owner": "organization", "account": "creator_earnings"}


@pytest.mark.parametrize("noun", ["holds", "charges", "transactions"])
def test_lists_come_page_by_page(noun: str, paid: str, globex_client: ApiClient) -> None:
    for _ in range(3):
        assert globex_client.post(f"/{paid}/chat/completions", HELLO).status == 200
    address = f"/api/v1/billing/{noun}?limit=2"

    first = globex_client.get(address).json
    second = globex_client.get(f"{address}&after={first['last_id']}").json
    whole = globex_client.get(f"/api/v1/billing/{noun}").json

    assert first["has_more"]
    assert len(first["data"]) == 2
    assert [row["id"] for row in (*first["data"], *second["data"])] == [row["id"] for row in whole["data"][:4]]


@pytest.mark.parametrize("noun", ["holds", "charges"])
def test_what_is_a_neighbours_is_absent(
    noun: str, acme_client: ApiClient, globex_client: ApiClient, run_id: str
) -> None:
    id = globex_client.get(f"/api/v1/billing/{noun}").json["data"][0]["id"]

    hidden = acme_client.get(f"/api/v1/billing/{noun}/{id}")
    absent = acme_client.get(f"/api/v1/billing/{noun}/{uuid4()}")

    assert (hidden.status, hidden.body) == (absent.status, absent.body)
    assert absent.code == (404, "invalid_request_error", "not_found")


@pytest.mark.parametrize("address", READS)
def test_a_key_without_the_permission_is_refused(address: str, server: Any, acme: Any) -> None:
    with ApiClient(server.url, make.key(acme, permissions=["chat:write"])) as client:
        assert client.get(address).code == (403, "permission_error", "insufficient_scope")


@pytest.mark.parametrize("address", READS)
def test_nobody_comes_in_without_a_key(address: str, server: Any) -> None:
    with ApiClient(server.url) as client:
        assert client.get(address).code == (401, "authentication_error", "missing_api_key")


def test_a_wrong_key_is_refused_in_the_usual_words(server: Any) -> None:
    with ApiClient(server.url, "rb_live_nonsense") as client:
        assert client.get(WALLET).code == (401, "authentication_error", "invalid_api_key")


@pytest.mark.parametrize(
    ("query", "code"), [("limit=0", "invalid_value"), ("after=7", "invalid_value"), ("befor=7", "unknown_parameter")]
)
def test_a_wrong_question_is_named(query: str, code: str, acme_client: ApiClient) -> None:
    answer = acme_client.get(f"/api/v1/billing/charges?{query}")

    assert answer.code == (400, "invalid_request_error", code)
    assert answer.error["param"] == query.partition("=")[0]


def test_another_method_is_named(acme_client: ApiClient) -> None:
    answer = acme_client.post(WALLET, {})

    assert answer.code == (405, "invalid_request_error", "method_not_allowed")
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize(("role", "status"), [(Role.OWNER, 200), (Role.BILLING, 200), (Role.DEVELOPER, 403)])
def test_a_signed_in_member_sees_what_its_seat_allows(role: Role, status: int, acme: Any) -> None:
    assert member(acme, role).get(WALLET).status_code == status
