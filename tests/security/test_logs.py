"""Secrets in logs: planted wherever they may come from, under the most talkative settings, and found nowhere."""

import io
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
import structlog
from django.conf import settings

from agents.services.drafts import SkillChoice
from robutler_site import observability
from tests import make
from tests.fakes.parrot import Parrot
from tests.live.cast import PROVIDER, Cast
from tests.live.server import LiveServer
from tests.robutler_site.conftest import eventually
from tests.security.secrets import BY_FORM, EVERY, IN_PLACE, leaks_in

TALKATIVE = {
    "ROBUTLER_LOG_LEVEL": "DEBUG",
    "ROBUTLER_LOG_FORMAT": "json",
    "LITELLM_LOG": "DEBUG",
    "OPENAI_LOG": "debug",
    "ANTHROPIC_LOG": "debug",
    "PYTHONASYNCIODEBUG": "1",
}

WAYS: Mapping[str, Callable[[str], str]] = {
    "alone": lambda secret: secret,
    "in a sentence": lambda secret: f"The key {secret} is wrong.",
    "in JSON": lambda secret: json.dumps({"error": {"message": f"Incorrect: {secret}."}}),
    "in JSON in JSON": lambda secret: json.dumps({"body": json.dumps({"said": secret})}),
    "as Python shows it": lambda secret: repr({"args": (secret, secret.encode())}),
    "after an equals sign": lambda secret: f"value={secret}",
    "on lines of its own": lambda secret: f"first\n{secret}\nlast",
}


@pytest.fixture(params=["json", "console"])
def written(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """What a process writes at its most talkative."""
    stream = io.StringIO()
    environment = settings.ROBUTLER.model_copy(update={"log_format": request.param, "log_level": "DEBUG"})
    configuration = observability.logging_for(environment)
    configuration["handlers"]["stderr"]["stream"] = stream
    root = logging.getLogger()
    before, level, factory = root.handlers[:], root.level, logging.getLogRecordFactory()
    observability.configure(configuration)
    yield stream
    root.handlers[:] = before
    root.setLevel(level)
    logging.setLogRecordFactory(factory)
    logging.captureWarnings(capture=False)


@pytest.mark.parametrize("way", WAYS)
def test_lg_01_whatever_is_logged_in_whatever_way(written: io.StringIO, way: str) -> None:
    own = io.StringIO()
    library = logging.getLogger("planted.library")
    library.addHandler(handler := logging.StreamHandler(own))
    for secret in EVERY.values():
        text = WAYS[way](secret)
        library.debug("said %s", text)
        structlog.get_logger("planted").debug("said", value=text, nested={"deep": [text]})
        try:
            raise ValueError(text)
        except ValueError:
            library.exception("failed")
            structlog.get_logger("planted").exception("failed")
    library.removeHandler(handler)

    assert leaks_in(written.getvalue()) == []
    assert leaks_in(own.getvalue()) == []


@pytest.mark.parametrize("written", ["json"], indirect=True)
def test_lg_01_a_line_without_its_secrets_is_still_json(written: io.StringIO) -> None:
    for secret in EVERY.values():
        for way in WAYS.values():
            structlog.get_logger("planted").info("said", value=way(secret), token_count=7, is_secret=True)

    lines = [json.loads(line) for line in written.getvalue().splitlines()]

    assert len(lines) == len(EVERY) * len(WAYS)
    assert all(line["token_count"] == 7 and line["is_secret"] is True for line in lines)


def test_lg_01_there_are_forty_of_them() -> None:
    assert len(BY_FORM) + len(IN_PLACE) >= 40


# --- a server ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def parrot() -> Generator[Parrot]:
    """A provider that says of every request all the secrets it has ever seen."""
    with Parrot("\n".join(EVERY.values())) as running:
        yield running


@pytest.fixture(scope="module")
def server(
    site_environment: dict[str, str], parrot: Parrot, tmp_path_factory: pytest.TempPathFactory
) -> Generator[LiveServer]:
    """A server at its most talkative, in front of the parrot."""
    log = tmp_path_factory.mktemp("server") / "server.log"
    with LiveServer(site_environment, log, ROBUTLER_OUTBOUND_ALLOW=parrot.address, **TALKATIVE) as running:  # type: ignore[arg-type]
        yield running


def test_lg_01_what_clients_send(server: LiveServer, acme: object) -> None:
    key = make.key(acme)  # type: ignore[arg-type]
    agent = make.published(acme)  # type: ignore[arg-type]
    told = [
        answer.text
        for secret in (text.replace("\n", " ") for text in EVERY.values())
        for answer in _sent(server.url, secret, key=key, agent=agent.slug)
        if answer.status_code >= 400
    ]
    metrics = httpx.get(f"{server.url}/metrics").text

    said = server.log.read_text()
    assert len(told) > 5 * len(EVERY)
    assert '"route": "chat.completions"' in said
    assert leaks_in(said) == []
    assert key[9:] not in said
    assert leaks_in(metrics) == []
    # What a client hears of itself is its own: the names and values of its own request.


@pytest.mark.parametrize("skill", ["openai", "litellm"])
def test_lg_01_what_providers_say(server: LiveServer, parrot: Parrot, cast: Cast, skill: str) -> None:
    key = f"sk-{skill}-of-acme-0123456789"
    told: list[str] = []
    for order in ("400", "401", "403", "404", "422", "429", "500", "503", "stream"):
        address = _agent_on(parrot, cast, skill=skill, order=order, key=key)
        with httpx.stream(
            "POST",
            f"{server.url}/v1/chat/completions",
            json={"model": address, "messages": [{"role": "user", "content": "Hi."}], "stream": order == "stream"},
            headers={"Authorization": f"Bearer {cast.globex_key}"},
            timeout=60,
        ) as answer:
            told.append(answer.read().decode())

    said = server.log.read_text()
    assert all("error" in text for text in told), told
    for text in (said, *told, httpx.get(f"{server.url}/metrics").text):
        assert leaks_in(text) == []
        assert key not in text
    assert any(key in heard for heard in parrot.heard)


# --- the worker, and addresses that do not answer ---------------------------------------------------------------------


def test_lg_01_what_a_worker_is_given(site_environment: dict[str, str], tmp_path: Path, queue: str) -> None:
    from robutler_site.celery import app

    app.send_task("tests.fail", ["\n".join(EVERY.values())], queue=queue)
    with _worker(site_environment, tmp_path, queue=queue) as log:
        assert eventually(lambda: "RuntimeError" in log.read_text()), log.read_text()[-3_000:]

    assert leaks_in(log.read_text()) == []


def test_lg_01_passwords_of_servers_that_are_away(site_environment: dict[str, str], tmp_path: Path) -> None:
    away = {
        "DATABASE_URL": f"postgresql://robutler_app:{quote('hunter2/with@all', safe='')}@127.0.0.1:1/robutler",
        "DATABASE_OWNER_URL": "postgresql://robutler_owner:hunter2@127.0.0.1:1/robutler",
        "DATABASE_PLATFORM_URL": "postgresql://robutler_platform:hunter2@127.0.0.1:1/robutler",
        "CELERY_BROKER_URL": "redis://:hunter2@127.0.0.1:1/0",
    }
    environment = {**site_environment, **TALKATIVE, **away}
    commands = [["manage.py", "doctor"], ["manage.py", "migrate", "--database", "owner"], ["manage.py", "up"]]
    said = [
        subprocess.run(
            [sys.executable, *command], env={**environment, "ROBUTLER_ENV": "development"},
            capture_output=True, text=True, timeout=60, check=False,
        )
        for command in commands
    ]  # fmt: skip
    with _worker(environment, tmp_path, queue="nowhere") as log:
        assert eventually(lambda: "Cannot connect" in log.read_text()), log.read_text()[-3_000:]

    for done in said:
        assert done.returncode != 0
        assert leaks_in(done.stdout + done.stderr) == []
    assert leaks_in(log.read_text()) == []


def test_lg_01_a_traceback_of_the_whole_platform(written: io.StringIO) -> None:
    try:
        settings.DATABASES["nobody"]
    except KeyError as error:
        error.add_note(repr(settings.DATABASES) + settings.SECRET_KEY + str(settings.ROBUTLER.kek))
        logging.getLogger("planted").exception("failed")

    assert settings.SECRET_KEY not in written.getvalue()
    assert settings.ROBUTLER.kek not in written.getvalue()


@contextmanager
def _worker(environment: Mapping[str, str], directory: Path, *, queue: str) -> Iterator[Path]:
    log = directory / "worker.log"
    command = [
        *(sys.executable, "-m", "celery", "-A", "robutler_site", "worker", "--concurrency", "1"),
        *("--queues", queue, "--include", "tests.robutler_site.tasks", "--loglevel", "DEBUG"),
        *("--without-gossip", "--without-mingle", "--without-heartbeat"),
    ]
    with log.open("wb") as output:
        worker = subprocess.Popen(
            command, env={**environment, **TALKATIVE}, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield log
    finally:
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait(10)


def _sent(url: str, secret: str, *, key: str, agent: str) -> Iterator[httpx.Response]:
    """A secret in each part of a request."""
    chat, hello = f"{url}/{agent}/chat/completions", {"messages": [{"role": "user", "content": "Hi."}]}
    own = {"Authorization": f"Bearer {key}"}
    with httpx.Client() as client:
        yield client.post(chat, json=hello, headers={"Authorization": f"Bearer {secret}"})
        yield client.post(chat, json=hello, headers={"X-Api-Key": secret, "Proxy-Authorization": f"Basic {secret}"})
        yield client.get(f"{url}/console/", headers={"Cookie": f"sessionid={secret}; csrftoken={secret}"})
        yield client.post(f"{url}/console/login/", data={"username": "a@b.test", "password": secret})
        yield client.get(f"{url}/v1/models?key={quote(secret)}&api_key={quote(secret)}")
        yield client.get(f"{url}/v1/models/{quote(secret, safe='')}", headers=own)
        yield client.post(f"{url}/v1/chat/completions", json={"model": secret, **hello}, headers=own)
        yield client.post(chat, content=f'{{"messages": {secret}'.encode(), headers=own)
        yield client.post(chat, json={**hello, "api_key": secret}, headers=own)
        yield client.post(chat, json={"messages": [{"role": secret, "content": secret}]}, headers=own)


def _agent_on(parrot: Parrot, cast: Cast, *, skill: str, order: str, key: str) -> str:
    """A public agent of Acme's that thinks with the parrot."""
    import outbound
    from skills.sdk import Secret
    from tenants.context import platform_context
    from tenants.services import store_credential

    outbound.configure(allow=[parrot.address])
    provider = "openai" if skill == "openai" else PROVIDER
    with platform_context(reason="a provider for tests"):
        store_credential(
            organization_id=cast.acme.id if skill == "openai" else None,
            provider=provider,
            secret=Secret(key),  # type: ignore[arg-type]
            base_url=parrot.base_url,
            unpriced_allowed=True,
        )
    options = {"retries": 0, **({"base_url": parrot.base_url} if skill == "openai" else {})}
    agent = make.published(
        cast.acme,
        model=f"{provider}/{order}",
        visibility="public",
        skills=[SkillChoice(skill=skill, options=options)],
        price_per_run_nanos=1,
    )
    return f"{cast.acme.slug}/{agent.slug}"
