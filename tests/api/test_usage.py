"""GET /v1/usage and GET /v1/key: figures that are those of the ledger."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from tests import make
from tests.api.client import HELLO, ApiClient


@pytest.fixture
def used(globex_client: ApiClient, acme: Any) -> list[str]:
    """The addresses of two agents, of which Globex called the first twice and the second once."""
    slugs = [make.published(acme, visibility="public", price_per_run_nanos=nanos).slug for nanos in (1_000_000, 7)]
    addresses = [f"{acme.slug}/{slug}" for slug in slugs]
    called = [addresses[0], addresses[0], addresses[1]]
    answers = [globex_client.post(f"/{address}/chat/completions", HELLO) for address in called]
    globex_client.get(f"/v1/runs/{answers[-1].headers['x-robutler-run-id']}")  # waits until it is written
    return addresses


def spent(organization: Any) -> int:
    """What the ledger says."""
    from billing import selectors
    from tenants.context import organization_context

    with organization_context(organization.id):
        return -sum(entry.amount for entry in selectors.wallet_entries(organization.id) if entry.amount < 0)


def test_usage_is_what_the_ledger_says(globex_client: ApiClient, globex: Any, used: list[str]) -> None:
    usage = globex_client.get("/v1/usage?group_by=agent&group_by=model").json

    parts = {part["agent"]: part for part in usage["data"]}
    assert (usage["object"], usage["bucket"], usage["group_by"]) == ("usage", "day", ["agent", "model"])
    assert [parts[address]["runs"] for address in used] == [2, 1]
    assert {part["model"] for part in parts.values()} == {"scripted/persona"}
    assert usage["total"]["runs"] == 3
    assert int(usage["total"]["charged_nanos"]) == spent(globex) > 0
    assert sum(int(part["charged_nanos"]) for part in parts.values()) == spent(globex)
    assert usage["total"]["input_tokens"] == sum(run["usage"]["input_tokens"] for run in runs(globex_client))
    assert usage["total"]["output_tokens"] == sum(run["usage"]["output_tokens"] for run in runs(globex_client)) > 0


def runs(client: ApiClient) -> Any:
    return client.get("/v1/runs").json["data"]


def test_a_run_whose_row_was_never_written_counts_all_the_same(
    globex_client: ApiClient, globex: Any, used: list[str]
) -> None:
    from agents.models import Run
    from tenants.context import platform_context

    lost = UUID(runs(globex_client)[0]["id"])
    with platform_context(reason="lose a row"):
        Run.objects.filter(id=lost).delete()

    usage = globex_client.get("/v1/usage?bucket=all").json
    report = globex_client.get(f"/v1/runs/{lost}").json

    assert int(usage["total"]["charged_nanos"]) == spent(globex)
    assert usage["total"]["runs"] == 3
    assert (report["status"], report["agent"], report["usage"]) == ("finished", used[1], None)
    assert int(report["charged_nanos"]) > 0


@pytest.mark.parametrize("bucket", ["hour", "day", "month"])
def test_usage_is_split_by_time(globex_client: ApiClient, used: list[str], bucket: str) -> None:
    (part,) = globex_client.get(f"/v1/usage?bucket={bucket}").json["data"]

    start = datetime.fromisoformat(part["start"])
    assert timedelta() <= datetime.now(UTC) - start <= timedelta(days=32)
    assert (start.minute, start.second) == (0, 0)
    assert (part["runs"], part["agent"], part["model"]) == (3, None, None)


def test_usage_not_split_is_one_part(globex_client: ApiClient, used: list[str]) -> None:
    (part,) = globex_client.get("/v1/usage?bucket=all").json["data"]

    assert (part["start"], part["runs"]) == (None, 3)


def test_usage_is_of_the_time_that_is_asked_for(globex_client: ApiClient, used: list[str]) -> None:
    def counted(first: str, last: str) -> int:
        asked = {"from": first, "to": last}
        count: int = globex_client.http.get("/v1/usage", params=asked).json()["total"]["runs"]
        return count

    today = datetime.now(UTC)
    tomorrow = today + timedelta(days=1)

    assert counted((today - timedelta(days=1)).isoformat(), tomorrow.isoformat()) == 3
    assert counted("2020-01-01", "2020-12-31") == 0


def test_a_neighbours_usage_is_not_in_it(acme_client: ApiClient, used: list[str]) -> None:
    """Acme earned by it; what Globex used is Globex's."""
    usage = acme_client.get("/v1/usage?group_by=agent").json

    assert usage["data"] == []
    assert (usage["total"]["runs"], usage["total"]["charged_usd"]) == (0, "0.000000000")


def test_a_key_that_may_not_read_usage_reads_its_own(server: Any, globex: Any, used: list[str]) -> None:
    with ApiClient(server.url, make.key(globex, permissions=["chat:write"])) as client:
        answer = client.post(f"/{used[0]}/chat/completions", HELLO)
        client.get(f"/v1/runs/{answer.headers['x-robutler-run-id']}")  # waits until it is written
        usage = client.get("/v1/usage").json
        refused = client.get("/v1/usage?whose=organization")

    assert usage["total"]["runs"] == 1
    assert refused.code == (403, "permission_error", "insufficient_scope")


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("from=2026-01-02&to=2026-01-01", "from"),
        ("from=2025-01-01&to=2026-06-01", "from"),
        ("from=2026-01-01&to=2026-03-01&bucket=hour", "from"),
        ("bucket=week", "bucket"),
        ("group_by=key", "group_by"),
        ("group_by=agent&group_by=model&group_by=agent", "group_by"),
    ],
)
def test_a_wrong_question_names_what_is_wrong(acme_client: ApiClient, query: str, param: str) -> None:
    answer = acme_client.get(f"/v1/usage?{query}")

    assert answer.code == (400, "invalid_request_error", "invalid_value")
    assert answer.error["param"] == param


# --- the key itself ---------------------------------------------------------------------------------------------------


def test_a_key_knows_what_it_has_spent(globex_client: ApiClient, globex: Any, used: list[str]) -> None:
    key = globex_client.get("/v1/key").json

    assert int(key["spend"]["total_nanos"]) == spent(globex) > 0
    assert len({key["spend"][f"{span}_nanos"] for span in ("today", "week", "month", "total")}) == 1
    assert key["budget"] is None
    paid = key["spend"]["total_usd"]
    assert key["data"] == {
        "limit": None,
        "limit_remaining": None,
        "limit_reset": None,
        "usage": paid,
        "usage_daily": paid,
        "usage_weekly": paid,
        "usage_monthly": paid,
    }


def test_another_key_of_the_organization_has_spent_nothing(server: Any, globex: Any, used: list[str]) -> None:
    with ApiClient(server.url, make.key(globex, permissions=["usage:read"])) as client:
        key = client.get("/v1/key").json

    assert key["permissions"] == ["usage:read"]
    assert key["spend"] == {
        f"{span}_{unit}": nothing
        for span in ("today", "week", "month", "total")
        for unit, nothing in (("nanos", "0"), ("usd", "0.000000000"))
    }


def test_what_was_spent_last_month_is_in_the_total_alone(
    globex_client: ApiClient, globex: Any, used: list[str]
) -> None:
    from billing.spending import Spend, spend_of_key
    from tenants.context import organization_context
    from tenants.selectors import caller_for

    key = asyncio.run(caller_for(globex_client.http.headers["Authorization"].removeprefix("Bearer "))).key_id
    assert key is not None
    with organization_context(globex.id):
        spend = spend_of_key(key, now=datetime.now(UTC) + timedelta(days=40))

    assert spend == Spend(total_nanos=spent(globex))


def test_what_a_key_has_spent_is_told_once_whether_it_is_added_up_or_not(
    globex_client: ApiClient, globex: Any, used: list[str]
) -> None:
    from billing import rollups

    before = globex_client.get("/v1/key").json["spend"]
    while not rollups.refresh():
        pass
    globex_client.post(f"/{used[0]}/chat/completions", HELLO)
    after = globex_client.get("/v1/key").json["spend"]

    assert int(after["total_nanos"]) == spent(globex) > int(before["total_nanos"])
    assert after["today_nanos"] == after["total_nanos"]


# --- the organization's credit ----------------------------------------------------------------------------------------


def test_credits_are_what_came_in_and_what_left(globex_client: ApiClient, globex: Any, used: list[str]) -> None:
    from billing import ledger

    told = globex_client.get("/v1/credits").json["data"]

    assert told["total_usage"] == nanos_in_usd(spent(globex))
    assert Decimal(told["total_credits"]) - Decimal(told["total_usage"]) == Decimal(
        nanos_in_usd(ledger.balance(globex.id).posted)
    )


def test_credits_are_told_to_keys_that_may_read_money(server: Any, globex: Any, acme_client: ApiClient) -> None:
    with ApiClient(server.url, make.key(globex, permissions=["chat:write", "usage:read"])) as client:
        assert client.get("/v1/credits").code == (403, "permission_error", "insufficient_scope")
    with ApiClient(server.url, make.key(make.organization(), permissions=["billing:read"])) as client:
        assert client.get("/v1/credits").json == {
            "data": {"total_credits": "0.000000000", "total_usage": "0.000000000"}
        }


def nanos_in_usd(nanos: int) -> str:
    return f"{nanos // 10**9}.{nanos % 10**9:09d}"
