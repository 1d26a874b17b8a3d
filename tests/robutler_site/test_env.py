"""The environment: what may be set, what is refused with which words, and which secrets make themselves."""

import base64
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from robutler_site import env
from robutler_site.env import Environment, WrongSetting

KEY = base64.b64encode(bytes(range(32))).decode()
PRODUCTION = {
    "ROBUTLER_ENV": "production",
    "SECRET_KEY": "s" * 50,
    "ROBUTLER_KEY_PEPPER": KEY,
    "ROBUTLER_KEK": KEY,
}


@pytest.fixture(autouse=True)
def empty(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing set but where generated files go."""
    for name in list(os.environ):
        if name.startswith(("ROBUTLER_", "DATABASE_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("ROBUTLER_VAR_DIR", str(tmp_path / "var"))


def read(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Environment:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return env.read()


def test_nothing_needs_to_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    found = read(monkeypatch)

    assert (found.env, found.debug, found.embedded_database) == ("development", False, True)


def test_secrets_are_made_once_and_for_the_owners_eyes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first, second = read(monkeypatch), read(monkeypatch)
    files = sorted((tmp_path / "var" / "secrets").iterdir())

    assert (first.secret_key, first.kek, first.key_pepper) == (second.secret_key, second.kek, second.key_pepper)
    assert len({first.secret_key, first.kek, first.key_pepper}) == 3
    assert [(file.name, stat.S_IMODE(file.stat().st_mode)) for file in files] == [
        ("kek", 0o600),
        ("key_pepper", 0o600),
        ("secret_key", 0o600),
    ]
    assert len(first.key("kek") or b"") == 32


def test_secrets_never_print(monkeypatch: pytest.MonkeyPatch) -> None:
    found = read(monkeypatch, **PRODUCTION)

    assert KEY not in repr(found)
    assert "s" * 50 not in repr(found)


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    found = read(monkeypatch, ROBUTLER_OUTBOUND_ALLOW="127.0.0.1:11434, models:80,", ROBUTLER_ALLOWED_HOSTS="a.test")

    assert found.outbound_allow == ("127.0.0.1:11434", "models:80")
    assert found.allowed_hosts == ("a.test",)


def test_ports_are_numbers_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(monkeypatch).outbound_ports == (80, 443)
    assert read(monkeypatch, ROBUTLER_OUTBOUND_PORTS="443, 8443").outbound_ports == (443, 8443)


@pytest.mark.parametrize(
    ("name", "value", "advice"),
    [
        ("ROBUTLER_BODY_LIMIT_BYTES", "much", "valid integer"),
        ("ROBUTLER_BODY_LIMIT_BYTES", "1", "greater than or equal to 1000"),
        ("DATABASE_URL", "postgresql://robutler_app:a/b@db/robutler", "%2F"),
        ("REDIS_URL", "redis://:a/b@cache/0", "%2F"),
        ("ROBUTLER_METRICS_TOKEN", "short", "16 ASCII characters"),
        ("ROBUTLER_CORS_ORIGINS", "https://app.example/path", "https://host"),
        ("ROBUTLER_ENV", "prod", "'development', 'test' or 'production'"),
        ("ROBUTLER_OUTBOUND_ALLOW", "localhost", "write host:port"),
        ("ROBUTLER_OUTBOUND_ALLOW", "localhost:99999", "write host:port"),
        ("ROBUTLER_OUTBOUND_PORTS", "http", "valid integer"),
        ("ROBUTLER_OUTBOUND_PORTS", "443,70000", "less than or equal to 65535"),
        ("ROBUTLER_OUTBOUND_PORTS", ",", "at least 1 item"),
        ("DATABASE_URL", "mysql://x/y", "write postgresql://"),
        ("ROBUTLER_KEK", "c2hvcnQ=", "openssl rand -base64 32"),
        ("ROBUTLER_KEK", "no base64", "openssl rand -base64 32"),
        ("SECRET_KEY", "short", "at least 32 characters"),
        ("ROBUTLER_KEK_FILE", "/nowhere/kek", "cannot be read"),
    ],
)
def test_a_wrong_value_is_named_with_what_to_write(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, advice: str
) -> None:
    with pytest.raises(WrongSetting) as refused:
        read(monkeypatch, **{name: value})

    assert name in str(refused.value) or value in str(refused.value)
    assert advice in str(refused.value)


def test_a_refused_secret_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WrongSetting) as refused:
        read(monkeypatch, SECRET_KEY="hunter2")

    assert "hunter2" not in str(refused.value)


def test_the_three_addresses_of_the_database_come_together(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WrongSetting, match="DATABASE_OWNER_URL"):
        read(monkeypatch, DATABASE_URL="postgresql://robutler_app@db/robutler")


def test_a_database_of_ones_own_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    address = "postgresql://{}@db.example.test/robutler"
    found = read(
        monkeypatch,
        DATABASE_URL=address.format("robutler_app"),
        DATABASE_OWNER_URL=address.format("robutler_owner"),
        DATABASE_PLATFORM_URL=address.format("robutler_platform"),
    )

    assert not found.embedded_database


def test_production_starts_with_secrets_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = read(monkeypatch, **PRODUCTION)

    assert found.env == "production"
    assert not (tmp_path / "var" / "secrets").exists()


@pytest.mark.parametrize("missing", ["SECRET_KEY", "ROBUTLER_KEY_PEPPER", "ROBUTLER_KEK"])
def test_production_refuses_to_start_without(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    variables = {name: value for name, value in PRODUCTION.items() if name != missing}

    with pytest.raises(WrongSetting, match=missing):
        read(monkeypatch, **variables)


def test_production_refuses_debug(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WrongSetting, match="ROBUTLER_DEBUG"):
        read(monkeypatch, **PRODUCTION, ROBUTLER_DEBUG="1")


def test_the_kek_may_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "kek"
    file.write_text(f"{KEY}\n")

    found = read(monkeypatch, ROBUTLER_KEK_FILE=str(file))

    assert found.key("kek") == bytes(range(32))
    assert found.key("previous_kek") is None


def test_every_variable_is_explained() -> None:
    assert [name for name, field in Environment.model_fields.items() if not field.description] == []


def test_the_command_line_says_what_is_wrong_without_a_traceback() -> None:
    ran = subprocess.run(
        [sys.executable, "manage.py", "check"],
        env={**os.environ, "ROBUTLER_DRAIN_S": "soon"},
        cwd=env.PROJECT,
        check=False,
        capture_output=True,
        text=True,
    )

    assert ran.returncode == 1
    assert ran.stderr.startswith("The environment is not usable:\n  ROBUTLER_DRAIN_S: ")
