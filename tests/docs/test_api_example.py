"""The examples for callers, as they stand in the documents, against a real server."""

from typing import Any

import pytest

from tests.api.client import ApiClient
from tests.api.conftest import acme_client, server
from tests.docs.test_examples import examples

__all__ = ["acme_client", "server"]


@pytest.fixture
def _environment(acme_client: ApiClient, acme: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the examples read: a server, a key and an agent."""
    from tests import make

    agent = make.published(acme, price_per_run_nanos=1_000_000)
    monkeypatch.setenv("ROBUTLER_URL", f"{acme_client.base_url}/v1")
    monkeypatch.setenv("ROBUTLER_KEY", acme_client.http.headers["Authorization"].removeprefix("Bearer "))
    monkeypatch.setenv("ROBUTLER_AGENT", agent.slug)


@pytest.mark.usefixtures("_environment")
def test_the_guide_for_callers_runs_from_its_beginning_to_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    for number, block in enumerate(examples("docs/how-to/call-agents.md")):
        exec(compile(block, f"call-agents.md, block {number}", "exec"), names)  # noqa: S102 the guide itself

    said = capsys.readouterr().out
    assert "What is 17 * 23?\n19 tokens" in said
    assert "It rains." in said
    assert "result=17" in said
    assert "model_not_found" in said
    assert said.strip().splitlines()[-1].startswith("0.001000000 ")


@pytest.mark.usefixtures("_environment")
def test_the_example_of_the_reference_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = examples("docs/reference/api.md")
    exec(compile(example, "api.md", "exec"), {})  # noqa: S102 the example itself

    said, cost = capsys.readouterr().out.strip().splitlines()[-2:]
    assert said
    assert "tokens for 0." in cost


@pytest.mark.usefixtures("_environment")
def test_the_guide_to_budgets_runs(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    for number, block in enumerate(examples("docs/how-to/set-budgets.md")):
        exec(compile(block, f"set-budgets.md, block {number}", "exec"), names)  # noqa: S102 the guide itself

    names["client"].close()
    assert "0.000000000 spent, 50.000000000 left until" in capsys.readouterr().out
