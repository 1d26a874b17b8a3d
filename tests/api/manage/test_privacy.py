"""/api/v1/privacy and /api/v1/tool-executions over HTTP."""

from typing import Any

from tests import make
from tests.api.client import ApiClient


def test_gd_01_gd_02_an_end_user_is_told_and_erased(acme_client: ApiClient, acme: Any, globex: Any) -> None:
    make.memory(acme, text="Likes tea.", end_user="ann")
    make.memory(globex, text="CANARY_B", end_user="ann")

    told = acme_client.post("/api/v1/privacy/export", {"end_user": "ann"})
    erased = acme_client.post("/api/v1/privacy/erase", {"end_user": "ann"})
    again = acme_client.post("/api/v1/privacy/export", {"end_user": "ann"})
    wrong = acme_client.post("/api/v1/privacy/erase", {"user": "ann"})

    assert [row["text"] for row in told.json["memories"]] == ["Likes tea."]
    assert "CANARY_B" not in str(told.json)
    assert erased.json["erased"]["memories"] == 1
    assert again.json["memories"] == []
    assert wrong.code == (400, "invalid_request_error", "unknown_parameter")


def test_a_neighbours_tools_at_work_are_absent(acme_client: ApiClient, globex: Any, acme: Any) -> None:
    theirs, ours = make.tool_execution(globex, tool="canary"), make.tool_execution(acme)
    at = "/api/v1/tool-executions"

    listed = acme_client.get(at)
    hidden = acme_client.get(f"{at}/{theirs.id}")
    absent = acme_client.get(f"{at}/{theirs.run_id}")
    cancelled = acme_client.post(f"{at}/{theirs.id}/cancel", {})

    assert [row["id"] for row in listed.json["data"]] == [str(ours.id)]
    assert (hidden.status, hidden.body) == (absent.status, absent.body)
    assert hidden.status == cancelled.status == 404
