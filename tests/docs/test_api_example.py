"""The example of the API's reference, as it stands there, against a real server."""

from typing import Any

import pytest

from tests.api.client import ApiClient
from tests.api.conftest import acme_client, server
from tests.docs.test_examples import examples

__all__ = ["acme_client", "server"]


def test_the_example_runs(
    acme_client: ApiClient, acme: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests import make

    agent = make.published(acme, price_per_run_nanos=1_000_000)
    monkeypatch.setenv("ROBUTLER_URL", f"{acme_client.base_url}/v1")
    monkeypatch.setenv("ROBUTLER_KEY", acme_client.http.headers["Authorization"].removeprefix("Bearer "))
    monkeypatch.setenv("ROBUTLER_AGENT", agent.slug)

    (example,) = examples("docs/reference/api.md")
    exec(compile(example, "api.md", "exec"), {})  # noqa: S102 the example itself

    said, cost = capsys.readouterr().out.strip().splitlines()[-2:]
    assert said
    assert "tokens for 0." in cost
