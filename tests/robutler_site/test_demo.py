"""The demonstration: made once, kept, and moved to another provider when the environment names one."""

import json
import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from agents.models import Agent
from agents.services import publishing
from billing import ledger
from robutler_site import demo, provider
from robutler_site.provider import Provider
from tenants import selectors
from tenants.context import organization_context, platform_context

URL = "http://127.0.0.1:8000"
SCRIPTED = Provider(model="scripted/persona")
OTHER = Provider(model="openai/echo", secret="none", base_url="http://127.0.0.1:11434/v1")


@pytest.fixture
def var_dir(database: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A var directory of this test's own."""
    monkeypatch.setattr(settings, "ROBUTLER", settings.ROBUTLER.model_copy(update={"var_dir": tmp_path}))
    return tmp_path


def stored(var_dir: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((var_dir / "demo.json").read_text())
    return document


def assistant(cast: demo.Cast) -> Agent:
    with organization_context(cast.organization_id):
        return Agent.objects.select_related("published_version").get(slug="assistant")


def test_preparing_again_changes_nothing(var_dir: Path) -> None:
    first = demo.prepare(URL, SCRIPTED)
    before, version = stored(var_dir), assistant(first).published_version_id

    second = demo.prepare(URL, SCRIPTED)

    assert stored(var_dir) == before
    assert not second.is_new
    assert assistant(second).published_version_id == version


def test_the_wallet_is_filled_once(var_dir: Path) -> None:
    cast = demo.prepare(URL, SCRIPTED)
    before = ledger.balance(cast.organization_id).posted

    demo.prepare(URL, SCRIPTED)

    assert ledger.balance(cast.organization_id).posted == before > 0


def test_a_lost_file_is_written_anew_with_what_works(var_dir: Path) -> None:
    before = demo.prepare(URL, SCRIPTED)
    (var_dir / "demo.json").unlink()

    after = demo.prepare(URL, SCRIPTED)

    assert after.is_new
    assert after.api_key != before.api_key
    assert stored(var_dir)["admin_password"] == after.admin_password != before.admin_password


def test_agents_follow_the_provider_there_and_back(var_dir: Path) -> None:
    demo.prepare(URL, SCRIPTED)

    cast = demo.prepare(URL, OTHER)
    there = assistant(cast).published_version
    back = assistant(demo.prepare(URL, SCRIPTED)).published_version

    assert there is not None
    assert back is not None
    assert (there.model, back.model) == ("openai/echo", "scripted/persona")


def test_a_model_somebody_chose_stays(var_dir: Path) -> None:
    cast = demo.prepare(URL, SCRIPTED)
    with organization_context(cast.organization_id):
        publishing.save_draft(assistant(cast), model="scripted/other")

    demo.prepare(URL, OTHER)

    kept = assistant(cast).model
    with organization_context(cast.organization_id):
        publishing.save_draft(assistant(cast), model="openai/echo")
    demo.prepare(URL, SCRIPTED)
    assert kept == "scripted/other"


def test_a_server_of_ones_own_needs_no_price_and_may_be_reached(var_dir: Path) -> None:
    demo.prepare(URL, OTHER)

    with platform_context(reason="test"):
        credential = selectors.provider_credential(organization_id=None, provider="openai", reference="default")
    demo.prepare(URL, SCRIPTED)

    assert credential is not None
    assert (credential.base_url, credential.unpriced_allowed) == (OTHER.base_url, True)
    assert demo.environment(OTHER)["ROBUTLER_OUTBOUND_ALLOW"].split(",")[-1] == "127.0.0.1:11434"


class Listing(BaseHTTPRequestHandler):
    """A server that only says which models it has."""

    def do_GET(self) -> None:
        body = json.dumps({"data": [{"id": "llama3"}, {"id": "qwen"}]} if self.path == "/v1/models" else {}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def listing() -> Generator[str]:
    """Where that server is."""
    with HTTPServer(("127.0.0.1", 0), Listing) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_server_is_asked_which_model_it_has(listing: str) -> None:
    found = provider.from_environment({"OPENAI_BASE_URL": f"{listing}/v1/"})

    assert found == Provider(model="openai/llama3", secret="none", base_url=f"{listing}/v1")


def test_a_model_that_is_named_wins_over_the_first(listing: str) -> None:
    found = provider.from_environment({"OPENAI_BASE_URL": f"{listing}/v1", "OPENAI_MODEL": "qwen"})

    assert found.model == "openai/qwen"


def test_a_server_that_lists_nothing_is_remarked_upon(listing: str) -> None:
    found = provider.from_environment({"OPENAI_BASE_URL": f"{listing}/other", "OPENAI_API_KEY": "k"})

    assert (found.model, found.secret) == ("openai/gpt-4o-mini", "k")
    assert "set OPENAI_MODEL" in found.remark


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, SCRIPTED),
        ({"OPENAI_API_KEY": "k"}, Provider(model="openai/gpt-4o-mini", secret="k")),
        ({"ANTHROPIC_API_KEY": "k"}, Provider(model="anthropic/claude-haiku-4-5", secret="k")),
        ({"OPENAI_API_KEY": "k", "OPENAI_MODEL": "m"}, Provider(model="openai/m", secret="k")),
    ],
)
def test_the_environment_names_the_provider(environment: dict[str, str], expected: Provider) -> None:
    assert provider.from_environment(environment) == expected


@pytest.mark.parametrize(
    ("base_url", "place"),
    [("http://localhost:11434/v1", "localhost:11434"), ("https://api.example/v1", "api.example:443"), ("", "")],
)
def test_a_servers_place_is_host_and_port(base_url: str, place: str) -> None:
    assert Provider(model="openai/x", base_url=base_url).place == place
