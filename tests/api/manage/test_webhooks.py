"""Webhook endpoints and the balance alert over the management API."""

from typing import Any
from uuid import uuid4

import pytest

from tests import make
from tests.api.client import ApiClient

ENDPOINTS = "/api/v1/billing/webhook-endpoints"
ALERT = "/api/v1/billing/balance-alert"
HOOK = {"url": "https://hooks.example.com/robutler", "topics": ["refund.made", "payout.paid"]}


def made(client: ApiClient) -> dict[str, Any]:
    answer = client.post(ENDPOINTS, HOOK)
    assert answer.status == 201, answer.body
    found: dict[str, Any] = answer.json
    return found


def test_an_endpoint_is_made_and_its_secret_shown_once(acme_client: ApiClient) -> None:
    answer = acme_client.post(ENDPOINTS, HOOK)

    assert answer.json["secret"].startswith("whsec_")
    assert answer.headers["cache-control"] == "no-store"
    assert "secret" not in acme_client.get(f"{ENDPOINTS}/{answer.json['id']}").json
    assert acme_client.get(ENDPOINTS).json["data"][0]["topics"] == ["payout.paid", "refund.made"]


def test_an_endpoint_is_changed_rotated_and_forgotten(acme_client: ApiClient) -> None:
    endpoint = made(acme_client)
    address = f"{ENDPOINTS}/{endpoint['id']}"

    changed = acme_client.request(
        "PATCH", address, content=b'{"active": false}', headers={"Content-Type": "application/json"}
    )
    rotated = acme_client.post(f"{address}/rotate-secret", {"overlap_hours": 2})
    gone = acme_client.request("DELETE", address)

    assert (changed.json["active"], changed.json["url"]) == (False, HOOK["url"])
    assert rotated.json["secret"] != endpoint["secret"]
    assert gone.status == 204
    assert acme_client.get(address).status == 404


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({**HOOK, "url": "http://10.0.0.1/"}, "invalid_value", "url"),
        ({**HOOK, "topics": ["everything"]}, "invalid_value", "topics"),
        ({"topics": ["refund.made"]}, "missing_required_parameter", "url"),
        ({**HOOK, "secret": "mine"}, "unknown_parameter", "secret"),
        ([HOOK], "invalid_json", None),
        (b"{", "invalid_json", None),
    ],
)
def test_what_is_wrong_is_named(body: Any, code: str, param: str | None, acme_client: ApiClient) -> None:
    answer = acme_client.post(ENDPOINTS, body)

    assert answer.code == (400, "invalid_request_error", code)
    assert answer.error["param"] == param


def test_a_neighbours_endpoint_is_absent(acme_client: ApiClient, globex_client: ApiClient) -> None:
    hidden = globex_client.get(f"{ENDPOINTS}/{made(acme_client)['id']}")
    absent = globex_client.get(f"{ENDPOINTS}/{uuid4()}")

    assert (hidden.status, hidden.body) == (404, absent.body)
    assert globex_client.get(ENDPOINTS).json["data"] == []


def test_a_key_that_only_reads_changes_nothing(server: Any, acme: Any) -> None:
    with ApiClient(server.url, make.key(acme, permissions=["billing:read"])) as client:
        assert client.get(ENDPOINTS).status == 200
        assert client.post(ENDPOINTS, HOOK).code == (403, "permission_error", "insufficient_scope")


def test_an_alert_is_set_and_taken_back(acme_client: ApiClient) -> None:
    def put(body: bytes) -> Any:
        return acme_client.request("PUT", ALERT, content=body, headers={"Content-Type": "application/json"}).json

    assert acme_client.get(ALERT).json["below_usd"] is None
    assert put(b'{"below_usd": "12.5"}')["below_nanos"] == "12500000000"
    assert acme_client.get(ALERT).json["below_usd"] == "12.500000000"
    assert put(b'{"below_usd": null}')["below_usd"] is None


@pytest.mark.parametrize("amount", ['"-5"', '"0"', '"1e3"', "12.5", '"0.0000000001"', '"NaN"', '"1,000"', "true"])
def test_an_amount_that_is_none_is_refused(amount: str, acme_client: ApiClient) -> None:
    answer = acme_client.request(
        "PUT", ALERT, content=f'{{"below_usd": {amount}}}'.encode(), headers={"Content-Type": "application/json"}
    )

    assert answer.code == (400, "invalid_request_error", "invalid_amount")
    assert answer.error["param"] == "below_usd"
