"""GET /v1/runs and /v1/runs/{id}: what ran and what was charged for it, for those who may know."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest

from tenants.ids import uuid7
from tests import make
from tests.api.client import HELLO, ApiClient

Scripted = Callable[..., str]
PER_RUN_NANOS = 1_500_000


@pytest.fixture
def paid(acme: Any) -> str:
    """The address of a public agent of Acme's that costs something by the run."""
    slug = make.published(acme, visibility="public", price_per_run_nanos=PER_RUN_NANOS).slug
    return f"{acme.slug}/{slug}"


@contextmanager
def keyed(server: Any, organization: Any, *permissions: str) -> Iterator[ApiClient]:
    """Somebody with a key of the organization that may do only this."""
    with ApiClient(server.url, make.key(organization, permissions=list(permissions))) as client:
        yield client


def completed(client: ApiClient, address: str) -> str:
    """The id of a run that is over."""
    answer = client.post(f"/{address}/chat/completions", HELLO)
    assert answer.status == 200, answer.body
    return answer.headers["x-robutler-run-id"]


def test_a_run_can_be_read_right_after_its_answer(globex_client: ApiClient, paid: str) -> None:
    answer = globex_client.post(f"/{paid}/chat/completions", HELLO)

    run = globex_client.get(f"/v1/runs/{answer.headers['x-robutler-run-id']}").json

    assert (run["object"], run["status"], run["agent"], run["model"]) == ("run", "finished", paid, "scripted/persona")
    assert run["finish_reason"] == "stop"
    assert run["usage"]["input_tokens"] == answer.json["usage"]["prompt_tokens"]
    assert run["usage"]["output_tokens"] == answer.json["usage"]["completion_tokens"]
    assert run["usage"]["source"]
    assert run["charged_usd"] == answer.headers["x-robutler-cost"]
    assert run["request_id"] == answer.headers["x-request-id"]
    assert run["started_at"] <= run["first_chunk_at"] <= run["ended_at"]
    assert run["error"] is None


def test_what_a_stream_cost_can_be_read_at_its_end(globex_client: ApiClient, paid: str) -> None:
    stream = globex_client.stream(f"/{paid}/chat/completions", HELLO)

    run = globex_client.get(f"/v1/runs/{stream.headers['x-robutler-run-id']}").json

    assert run["status"] == "finished"
    assert int(run["charged_nanos"]) >= PER_RUN_NANOS


def test_the_charges_of_a_run_add_up(globex_client: ApiClient, paid: str) -> None:
    run = globex_client.get(f"/v1/runs/{completed(globex_client, paid)}").json

    (charge,) = run["charges"]
    sums = {name: int(value) for name, value in charge["settlement"].items() if name.endswith("_nanos")}
    assert (charge["id"], charge["kind"], charge["status"]) == (run["id"], "run", "finished")
    assert charge["hold"]["state"] == "settled"
    assert sums["markup_nanos"] == PER_RUN_NANOS
    assert sums["charged_nanos"] == sums["cost_nanos"] + sums["markup_nanos"] + sums["fee_nanos"]
    assert sums["charged_nanos"] == sums["creator_share_nanos"] + sums["platform_share_nanos"]
    assert sums["charged_nanos"] == int(run["charged_nanos"]) <= int(charge["hold"]["amount_nanos"])
    for part in ("cost", "markup", "fee"):
        pico = sum(int(line["amount_pico"]) for line in charge["lines"] if line["part"] == part and line["billable"])
        assert -(-pico // 1_000) == sums[f"{part}_nanos"]
    assert {each["part"]: each["amount_nanos"] for each in charge["sums"]}["markup"] == str(PER_RUN_NANOS)
    parts = {transfer["to"]: int(transfer["amount_nanos"]) for transfer in charge["transfers"]}
    assert parts["creator"] == sums["creator_share_nanos"]
    assert sum(parts.values()) == sums["charged_nanos"]


def test_a_run_that_failed_says_what_went_wrong(acme_client: ApiClient, scripted: Scripted) -> None:
    slug = scripted({"text": "so far", "error": "unreachable", "error_after": 1})
    stream = acme_client.stream(f"/{slug}/chat/completions", HELLO)

    run = acme_client.get(f"/v1/runs/{stream.headers['x-robutler-run-id']}").json

    assert run["status"] == "failed"
    assert run["error"]


def test_a_run_in_progress_is_running(acme_client: ApiClient, scripted: Scripted) -> None:
    slug = scripted({"text": "one two three four five six"}, chunk_ms=300)

    with acme_client.http.stream("POST", f"/{slug}/chat/completions", json={**HELLO, "stream": True}) as response:
        run = acme_client.get(f"/v1/runs/{response.headers['x-robutler-run-id']}").json
        response.read()

    assert (run["status"], run["ended_at"], run["usage"]) == ("running", None, None)


def test_runs_come_page_by_page_the_latest_first(globex_client: ApiClient, paid: str) -> None:
    ids = [completed(globex_client, paid) for _ in range(3)]
    globex_client.get(f"/v1/runs/{ids[-1]}")  # waits until it is written

    first = globex_client.get("/v1/runs?limit=2").json
    second = globex_client.get(f"/v1/runs?limit=2&after={first['last_id']}").json

    assert [run["id"] for run in first["data"]] == [ids[2], ids[1]]
    assert (first["object"], first["has_more"]) == ("list", True)
    assert (first["first_id"], first["last_id"]) == (ids[2], ids[1])
    assert [run["id"] for run in second["data"]] == [ids[0]]
    assert (second["has_more"], second["last_id"]) == (False, ids[0])


def test_runs_are_found_by_agent_status_and_time(globex_client: ApiClient, paid: str) -> None:
    run = globex_client.get(f"/v1/runs/{completed(globex_client, paid)}").json

    def found(**asked: str) -> list[str]:
        page = globex_client.http.get("/v1/runs", params=asked).json()
        return [found["id"] for found in page["data"]]

    assert found(agent=paid) == found(status="finished") == [run["id"]]
    assert found(**{"from": run["started_at"]}) == [run["id"]]
    assert found(agent="somebody/else") == found(status="failed") == found(to=run["started_at"]) == []
    empty = globex_client.get("/v1/runs?status=failed").json
    assert (empty["data"], empty["first_id"], empty["last_id"], empty["has_more"]) == ([], None, None, False)


def test_what_a_page_says_was_paid_is_what_the_books_say(globex_client: ApiClient, paid: str) -> None:
    run = globex_client.get(f"/v1/runs/{completed(globex_client, paid)}").json

    (listed,) = globex_client.get("/v1/runs").json["data"]

    assert listed == {name: value for name, value in run.items() if name != "charges"}


# --- who may know -----------------------------------------------------------------------------------------------------


def test_a_neighbours_run_does_not_exist(acme_client: ApiClient, globex_client: ApiClient, paid: str) -> None:
    """Not even for whose agent ran: what the caller was charged is the caller's own business."""
    id = completed(globex_client, paid)

    hidden, absent = acme_client.get(f"/v1/runs/{id}"), acme_client.get(f"/v1/runs/{uuid7()}")

    assert (hidden.status, hidden.body) == (absent.status, absent.body)
    assert hidden.code == (404, "invalid_request_error", "not_found")
    assert id not in str(acme_client.get("/v1/runs").json)


def test_a_run_of_a_neighbours_own_agent_does_not_exist(
    acme_client: ApiClient, globex_client: ApiClient, greeter: str
) -> None:
    id = completed(acme_client, greeter)

    hidden, absent = globex_client.get(f"/v1/runs/{id}"), globex_client.get(f"/v1/runs/{uuid4()}")

    assert (hidden.status, hidden.body) == (absent.status, absent.body)
    assert globex_client.get("/v1/runs").json["data"] == []


@pytest.mark.parametrize("id", ["x", "0", "chatcmpl-1", "%00", "a" * 500])
def test_what_is_no_id_is_no_run(acme_client: ApiClient, id: str) -> None:
    assert acme_client.get(f"/v1/runs/{id}").code == (404, "invalid_request_error", "not_found")


def test_a_key_that_may_not_read_usage_reads_its_own_runs(server: Any, acme_client: ApiClient, acme: Any) -> None:
    slug = make.published(acme).slug
    others = completed(acme_client, slug)

    with keyed(server, acme, "chat:write") as client:
        own = completed(client, slug)
        shown = client.get(f"/v1/runs/{own}")
        listed = client.get("/v1/runs").json["data"]
        hidden, absent = client.get(f"/v1/runs/{others}"), client.get(f"/v1/runs/{uuid7()}")
        refused = client.get("/v1/runs?whose=organization")

    assert shown.json["id"] == own
    assert [run["id"] for run in listed] == [own]
    assert (hidden.status, hidden.body) == (absent.status, absent.body)
    assert refused.code == (403, "permission_error", "insufficient_scope")


def test_a_key_that_may_read_usage_reads_all_or_its_own(server: Any, acme_client: ApiClient, acme: Any) -> None:
    run = completed(acme_client, make.published(acme).slug)
    acme_client.get(f"/v1/runs/{run}")

    with keyed(server, acme, "usage:read") as client:
        everything, own = client.get("/v1/runs").json["data"], client.get("/v1/runs?whose=key").json["data"]

    assert [found["id"] for found in everything] == [run]
    assert own == []


@pytest.mark.parametrize("path", ["/v1/runs", "/v1/runs/x", "/v1/usage", "/v1/key"])
def test_these_need_a_key(stranger: ApiClient, path: str) -> None:
    assert stranger.get(path).code == (401, "authentication_error", "missing_api_key")


@pytest.mark.parametrize(
    ("query", "code", "param"),
    [
        ("limit=0", "invalid_value", "limit"),
        ("limit=101", "invalid_value", "limit"),
        ("limit=x", "invalid_value", "limit"),
        ("after=x", "invalid_value", "after"),
        ("status=dead", "invalid_value", "status"),
        ("from=yesterday", "invalid_value", "from"),
        ("to=9999-01-01", "invalid_value", "to"),
        ("agent=", "invalid_value", "agent"),
        ("agent=%00", "invalid_value", "agent"),
        ("agnet=x", "unknown_parameter", "agnet"),
        ("whose=mine", "invalid_value", "whose"),
    ],
)
def test_a_wrong_question_names_what_is_wrong(acme_client: ApiClient, query: str, code: str, param: str) -> None:
    answer = acme_client.get(f"/v1/runs?{query}")

    assert answer.code == (400, "invalid_request_error", code)
    assert answer.error["param"] == param
