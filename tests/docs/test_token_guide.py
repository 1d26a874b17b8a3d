"""The guide to payment tokens, as it stands there, against a real server."""

from typing import Any

import pytest

from billing import ledger
from tenants.permissions import KEY_PERMISSIONS
from tests import make
from tests.api.client import ApiClient
from tests.api.conftest import acme_client, server
from tests.docs.test_examples import examples

__all__ = ["acme_client", "server"]


def test_the_guide_to_payment_tokens_runs_from_its_beginning_to_its_end(
    acme: Any, globex: Any, acme_client: ApiClient, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    agent = make.published(acme, visibility="public", price_per_run_nanos=1_000_000)
    monkeypatch.setenv("ROBUTLER_URL", f"{acme_client.base_url}/v1")
    monkeypatch.setenv("ROBUTLER_KEY", acme_client.http.headers["Authorization"].removeprefix("Bearer "))
    monkeypatch.setenv("ROBUTLER_OTHER_KEY", make.key(globex, permissions=sorted(KEY_PERMISSIONS)))
    monkeypatch.setenv("ROBUTLER_AGENT", f"{acme.slug}/{agent.slug}")

    names: dict[str, Any] = {}
    for number, block in enumerate(examples("docs/how-to/pay-with-tokens.md")):
        exec(compile(block, f"pay-with-tokens.md, block {number}", "exec"), names)  # noqa: S102 the guide itself

    for client in (names["payer"], names["holder"]):
        client.close()
    assert "17 * 23" in capsys.readouterr().out
    assert 0 < int(names["left"]) < 50_000_000
    assert names["child"]["depth"] == 1
    assert names["taken"]["charged_nanos"] == "3000000"
    assert (ledger.balance(acme.id).held, ledger.balance(globex.id).posted) == (0, 0)
