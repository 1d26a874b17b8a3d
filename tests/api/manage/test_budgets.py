"""Budgets over the management API, and what a key is told of its own."""

import json
from typing import Any
from uuid import uuid4

import pytest

from tests import make
from tests.api.client import HELLO, Answer, ApiClient
from tests.billing import money

BUDGETS = "/api/v1/billing/budgets"
PER_RUN_NANOS = 1_500_000
MONTHLY = {"scope": "organization", "period": "month", "time_zone": "Europe/Riga", "limit_nanos": "5000000000"}


def changed(client: ApiClient, id: str, body: Any) -> Answer:
    return client.request(
        "PATCH", f"{BUDGETS}/{id}", content=json.dumps(body).encode(), headers={"Content-Type": "application/json"}
    )


def test_a_budget_is_set_changed_and_ended(acme_client: ApiClient) -> None:
    id = str(uuid4())
    made = acme_client.post(BUDGETS, {**MONTHLY, "id": id})
    again = acme_client.post(BUDGETS, {**MONTHLY, "id": id})
    other = acme_client.post(BUDGETS, {**MONTHLY, "id": id, "period": "day"})
    lowered = changed(acme_client, id, {"limit_nanos": "7", "mode": "soft", "alert_percents": [90]})
    listed = acme_client.get(BUDGETS).json["data"]
    gone = acme_client.request("DELETE", f"{BUDGETS}/{id}")

    assert (made.status, again.status, other.status) == (201, 201, 409)
    assert (made.json["remaining_nanos"], made.json["limit_usd"]) == ("5000000000", "5.000000000")
    assert made.json["alert_percents"] == [50, 80, 100]
    assert made.json["resets_at"].endswith("Z")
    assert (lowered.json["limit_nanos"], lowered.json["mode"], lowered.json["alert_percents"]) == ("7", "soft", [90])
    assert [each["id"] for each in listed] == [id]
    assert gone.status == 204
    assert acme_client.get(f"{BUDGETS}/{id}").status == 404


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"scope": "galaxy"}, "invalid_value", "scope"),
        ({"scope": "token", "subject": str(uuid4())}, "invalid_value", "scope"),
        ({"scope": "key", "subject": str(uuid4())}, "invalid_value", "subject"),
        ({"scope": "end_user"}, "invalid_value", "subject"),
        ({"period": "hour"}, "invalid_value", "period"),
        ({"time_zone": "Mars"}, "invalid_value", "time_zone"),
        ({"limit_nanos": "1.5"}, "invalid_amount", "limit_nanos"),
        ({"limit_nanos": None}, "invalid_value", "limit_nanos"),
        ({"alert_percents": [0]}, "invalid_value", "alert_percents"),
        ({"reset": "now"}, "unknown_parameter", "reset"),
    ],
)
def test_what_is_wrong_with_a_budget_is_named(
    fields: dict[str, Any], code: str, param: str, acme_client: ApiClient
) -> None:
    answer = acme_client.post(BUDGETS, {**MONTHLY, **fields})

    assert (answer.status, answer.error["code"], answer.error["param"]) == (400, code, param)


def test_budgets_of_others_are_not_there(acme: Any, acme_client: ApiClient, globex_client: ApiClient) -> None:
    id = str(make.budget(acme, 5).id)

    assert globex_client.get(BUDGETS).json["data"] == []
    for answer in (
        globex_client.get(f"{BUDGETS}/{id}"),
        globex_client.get(f"{BUDGETS}/{id}/windows"),
        changed(globex_client, id, {"limit_nanos": "9"}),
        globex_client.request("DELETE", f"{BUDGETS}/{id}"),
    ):
        assert answer.status == 404
    assert acme_client.get(f"{BUDGETS}/{id}").json["limit_nanos"] == "5"


def test_a_key_that_only_reads_sets_no_budget(acme: Any, acme_client: ApiClient) -> None:
    with ApiClient(acme_client.base_url, make.key(acme, permissions=["billing:read"])) as reader:
        assert reader.get(BUDGETS).status == 200
        assert reader.post(BUDGETS, MONTHLY).status == 403


def test_a_run_counts_in_its_agents_budget_and_is_refused_beyond_it(acme: Any, acme_client: ApiClient) -> None:
    agent = make.published(acme, price_per_run_nanos=PER_RUN_NANOS)
    budget = make.budget(acme, PER_RUN_NANOS // 10, scope="agent", subject=str(agent.id))

    answer = acme_client.post("/v1/chat/completions", {"model": agent.slug, **HELLO})
    assert answer.status == 402, answer.body
    assert answer.error["code"] == "agent_spend_limit_exceeded"
    assert answer.error["metadata"]["budget_id"] == str(budget.id)
    changed(acme_client, str(budget.id), {"limit_nanos": "1000000000"})
    assert acme_client.post("/v1/chat/completions", {"model": agent.slug, **HELLO}).status == 200

    (window,) = acme_client.get(f"{BUDGETS}/{budget.id}/windows").json["data"]
    shown = acme_client.get(f"{BUDGETS}/{budget.id}").json
    assert window["spent_nanos"] == shown["spent_nanos"] != "0"
    assert int(shown["remaining_nanos"]) == 10**9 - int(shown["spent_nanos"])


def test_a_key_is_told_the_tightest_of_its_own_budgets(acme: Any, acme_client: ApiClient) -> None:
    assert acme_client.get("/v1/key").json["budget"] is None
    from billing.subjects import names_of
    from tenants.context import organization_context

    key = acme_client.http.headers["Authorization"][-4:]
    with organization_context(acme.id):
        (key_id,) = [id for id, name in names_of("key").items() if key in name]
    make.budget(acme, 10**9, scope="key", subject=key_id, period="month")
    tight = make.budget(acme, 10**8, scope="key", subject=key_id, period="week")

    make.budget(acme, 5, scope="key", subject=key_id, mode="soft")

    told = acme_client.get("/v1/key").json

    assert (told["budget"]["id"], told["budget"]["period"]) == (str(tight.id), "week")
    assert told["budget"]["remaining_usd"] == told["data"]["limit_remaining"] == told["data"]["limit"] == "0.100000000"
    assert told["data"]["limit_reset"] == "weekly"


def test_the_periods_of_a_budget_come_page_by_page(acme: Any, acme_client: ApiClient) -> None:
    budget = make.budget(acme, 10**9)
    for days in range(3):
        money.release(money.hold(make.wallet(acme, 100), 1))
        money.age_window(budget.id, days=days + 1)

    first = acme_client.get(f"{BUDGETS}/{budget.id}/windows?limit=2").json
    rest = acme_client.get(f"{BUDGETS}/{budget.id}/windows?limit=2&after={first['last_id']}").json

    starts = [window["starts_at"] for window in first["data"] + rest["data"]]
    assert (len(first["data"]), first["has_more"], len(rest["data"]), rest["has_more"]) == (2, True, 1, False)
    assert len(set(starts)) == 3
