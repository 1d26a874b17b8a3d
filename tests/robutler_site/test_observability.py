"""Logs: secrets never reach them, in whatever way they are written."""

import io
import json
import logging
import logging.config
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from django.conf import settings

from robutler_site import observability
from robutler_site.env import Environment
from tenants import keys

PROVIDERS = "sk-planted0123456789"


@pytest.fixture
def written(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """What a process with this format of logs writes."""
    stream = io.StringIO()
    environment: Environment = settings.ROBUTLER
    configuration = observability.logging_for(environment.model_copy(update={"log_format": request.param}))
    handler = configuration["handlers"]["stderr"]
    handler["stream"] = stream
    root = logging.getLogger()
    before, level, factory = root.handlers[:], root.level, logging.getLogRecordFactory()
    observability.configure(configuration)
    yield stream
    root.handlers[:] = before
    root.setLevel(level)
    logging.setLogRecordFactory(factory)


both = pytest.mark.parametrize("written", ["json", "console"], indirect=True)


@both
def test_a_key_in_a_line_is_starred(written: io.StringIO) -> None:
    key = keys.generate().reveal()
    logging.getLogger("planted").warning("refused %s and %s", key, PROVIDERS)
    structlog.get_logger("planted").warning("refused", key=key, header=f"Bearer {PROVIDERS}")
    logging.getLogger("planted").warning("at postgresql://robutler:hunter2@db/robutler")

    assert key[9:] not in written.getvalue()
    assert PROVIDERS not in written.getvalue()
    assert "hunter2" not in written.getvalue()
    assert "rb_live_***" in written.getvalue()


@both
def test_a_key_in_a_traceback_is_starred(written: io.StringIO) -> None:
    key = keys.generate().reveal()
    try:
        raise ValueError(f"{key} is wrong")
    except ValueError:
        logging.getLogger("planted").exception("failed")

    assert "ValueError" in written.getvalue()
    assert key[9:] not in written.getvalue()


@both
def test_a_traceback_shows_no_variables(written: io.StringIO) -> None:
    private = "a value of a caller"
    try:
        raise ValueError(len(private))
    except ValueError:
        structlog.get_logger("planted").exception("failed")

    assert private not in written.getvalue().replace('private = "a value of a caller"', "")


@pytest.mark.parametrize("written", ["json"], indirect=True)
def test_a_line_is_one_json_object(written: io.StringIO) -> None:
    structlog.get_logger("planted").warning("served", status=200)

    line = json.loads(written.getvalue())

    assert {name: line[name] for name in ("event", "level", "logger", "status")} == {
        "event": "served",
        "level": "warning",
        "logger": "planted",
        "status": 200,
    }


@pytest.mark.parametrize("written", ["json"], indirect=True)
def test_handlers_of_libraries_get_no_secrets_either(written: io.StringIO) -> None:
    own = io.StringIO()
    logger = logging.getLogger("planted.library")
    logger.addHandler(handler := logging.StreamHandler(own))
    try:
        raise ValueError(PROVIDERS)
    except ValueError:
        logger.exception("called with %s", PROVIDERS)
    finally:
        logger.removeHandler(handler)

    assert "called with sk-***" in own.getvalue()
    assert PROVIDERS not in own.getvalue()


@pytest.mark.parametrize("written", ["json"], indirect=True)
def test_a_wrong_format_is_the_handlers_to_report(written: io.StringIO) -> None:
    record = logging.getLogRecordFactory()("planted", logging.WARNING, "file.py", 1, "%d of %d", (1,), None)

    assert (record.msg, record.args) == ("%d of %d", (1,))


def test_production_writes_json_and_development_does_not(tmp_path: Path) -> None:
    environment: Environment = settings.ROBUTLER
    renderers = [
        observability.logging_for(environment.model_copy(update={"env": name}))["formatters"]["line"]["processors"][-1]
        for name in ("production", "development")
    ]

    assert [type(one).__name__ for one in renderers] == ["JSONRenderer", "ConsoleRenderer"]
