"""Whoever comes without a good key, with somebody else's, or by another door. Each test is named by its case."""

import time
from collections.abc import Generator
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.test import Client
from django.utils import timezone

from tenants.context import organization_context, platform_context
from tenants.errors import PermissionMissing
from tenants.keys import generate
from tenants.limits import Limits
from tenants.models import ApiKey, AuditEvent, SignInAttempts, User
from tenants.permissions import BILLING_READ, CHAT_WRITE, MEMBERS_WRITE
from tenants.roles import Role
from tenants.services import issue_key, revoke_key, suspend_organization
from tests import make
from tests.admin.cast import member, page, person, submit
from tests.api.client import HELLO, Answer, ApiClient, raw, received
from tests.live.cast import Cast
from tests.live.conftest import Start
from tests.live.server import LiveServer

COMPLETIONS = "/v1/chat/completions"
BODY = {"model": "an-agent", **HELLO}
PASSWORD = "a long passphrase of theirs"
GUESSES = 5


@pytest.fixture
def lookups(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys that were looked for in the database."""
    from tenants import recognition

    asked: list[str] = []
    look_up = recognition._row_of

    def noted(public_id: str) -> Any:
        asked.append(public_id)
        return look_up(public_id)

    monkeypatch.setattr(recognition, "_row_of", noted)
    return asked


def bearing(server: Any, authorization: str) -> Answer:
    with ApiClient(server.url) as client:
        return client.post(COMPLETIONS, BODY, Authorization=authorization)


def test_au_01_no_authorization_header(stranger: ApiClient, lookups: list[str]) -> None:
    answer = stranger.post(COMPLETIONS, BODY)

    assert answer.code == (401, "authentication_error", "missing_api_key")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert lookups == []


def test_au_02_sql_in_the_bearer(server: Any, lookups: list[str], caplog: pytest.LogCaptureFixture) -> None:
    with raw(
        server.url,
        f"POST {COMPLETIONS} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: 2\r\n"
        "Authorization: Bearer ' UNION SELECT key_hash FROM agents_apikey--\r\n\r\n{}".encode(),
    ) as connection:
        answer = b"".join(received(connection))

    assert answer.startswith(b"HTTP/1.1 401")
    assert b"invalid_api_key" in answer
    assert b"UNION" not in answer
    assert "UNION" not in caplog.text
    assert lookups == []


def test_au_03_a_well_formed_key_with_a_wrong_checksum(server: Any, lookups: list[str]) -> None:
    text = generate().reveal()
    wrong = text[:-1] + ("a" if text[-1] != "a" else "b")

    answer = bearing(server, f"Bearer {wrong}")

    assert answer.code == (401, "authentication_error", "invalid_api_key")
    assert wrong.encode() not in answer.body
    assert lookups == []


def test_au_07_an_expired_key(server: Any, acme: Any, greeter: str) -> None:
    text = make.key(acme, expires_at=timezone.now() - timedelta(seconds=1))

    with ApiClient(server.url, text) as client:
        answer = client.post(COMPLETIONS, {"model": greeter, **HELLO})

    assert answer.code == (401, "authentication_error", "expired_api_key")


def test_au_08_a_revoked_key_is_refused_within_seconds_and_for_good(server: Any, acme: Any, greeter: str) -> None:
    with organization_context(acme.id):
        key, secret = issue_key(organization_id=acme.id, name="lost")
    body = {"model": greeter, **HELLO}

    with ApiClient(server.url, secret.reveal()) as client:
        before = client.post(COMPLETIONS, body)
        with organization_context(acme.id):
            revoke_key(key)
        answers = _until_refused(client, body)
        later = [client.post(COMPLETIONS, body) for _ in range(10)]

    assert before.status == 200
    assert answers[-1].code == (401, "authentication_error", "invalid_api_key")
    assert {answer.status for answer in later} == {401}


def test_au_09_a_suspended_organization_is_refused_at_each_door(server: Any, acme: Any, greeter: str) -> None:
    body = {"model": greeter, **HELLO}
    browser = member(acme)
    opened = browser.get("/console/").status_code
    with ApiClient(server.url, make.key(acme)) as client:
        before = client.post(COMPLETIONS, body)
        suspend_organization(acme, reason="unpaid")
        answers = _until_refused(client, body)
        reads = [client.get(path) for path in ("/v1/models", "/v1/key")]

    assert (opened, before.status) == (200, 200)
    assert [answer.code for answer in (answers[-1], *reads)] == [(403, "permission_error", "tenant_suspended")] * 3
    assert browser.get("/console/").status_code != 200
    assert browser.get(page("console", ApiKey, "changelist")).status_code != 200


def test_au_09_a_person_who_was_deactivated_is_refused_at_each_door(server: Any, acme: Any, greeter: str) -> None:
    body = {"model": greeter, **HELLO}
    browser = member(acme)
    with ApiClient(server.url, make.key(acme, created_by=person(browser))) as client:
        before = client.post(COMPLETIONS, body)
        with platform_context(reason="left"):
            User.objects.filter(pk=person(browser).pk).update(is_active=False)
        answers = _until_refused(client, body)

    assert before.status == 200
    assert answers[-1].code == (401, "authentication_error", "invalid_api_key")
    assert browser.get("/console/").status_code != 200


def test_au_13_a_developer_passes_on_no_more_than_they_have(acme: Any) -> None:
    seat = make.member(acme, Role.DEVELOPER)

    for wanted in ([CHAT_WRITE, BILLING_READ], [MEMBERS_WRITE], ["*"]):
        with organization_context(acme.id), pytest.raises(PermissionMissing):
            issue_key(organization_id=acme.id, name="more", permissions=wanted, created_by=seat.user)

    with organization_context(acme.id):
        assert not ApiKey.objects.exists()


def test_au_13_nor_by_a_form_that_was_tampered_with(acme: Any) -> None:
    us = member(acme, Role.DEVELOPER)

    submit(us, page("console", ApiKey, "add"), "apikey_form", name="more", permissions=[CHAT_WRITE, BILLING_READ])

    with organization_context(acme.id):
        assert not ApiKey.objects.exists()


def test_au_13_no_address_of_the_api_makes_keys(acme_client: ApiClient) -> None:
    answers = [acme_client.post(path, {"scopes": ["*"]}) for path in ("/v1/keys", "/v1/key", "/api/v1/keys")]

    assert {answer.status for answer in answers} <= {404, 405}


@pytest.mark.parametrize("host", ["allowed.example/v1/health#@x", "127.0.0.1/v1/health?", "evil.example", "a b"])
@pytest.mark.parametrize("path", ["/admin/", "/console/", "/v1/models"])
def test_au_14_a_host_that_is_none_of_ours(server: Any, host: str, path: str) -> None:
    with raw(server.url, f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()) as connection:
        answer = b"".join(received(connection))

    status = answer.split(b" ", 2)[1]
    assert status == b"400" or (path == "/v1/models" and status == b"401")


@pytest.fixture(scope="module")
def direct(start: Start) -> Generator[LiveServer]:
    """A server in front of which no proxy stands that it trusts."""
    with start(ROBUTLER_TRUSTED_PROXIES="203.0.113.1") as running:
        yield running


def test_au_17_addresses_that_a_client_makes_up_are_not_believed(direct: LiveServer, cast: Cast) -> None:
    address = cast.publish(model="scripted/persona")
    bound = make.key(cast.globex, allowed_networks=["198.51.100.0/24"])
    limited = make.key(cast.globex, limits=Limits(requests_per_minute=5))

    with ApiClient(direct.url, bound) as client:
        spoofed = client.post(COMPLETIONS, {"model": address, **HELLO}, X_Forwarded_For="198.51.100.7")
    with ApiClient(direct.url, limited) as client:
        statuses = [
            client.post(COMPLETIONS, {"model": address, **HELLO}, X_Forwarded_For=f"198.51.100.{number}").status
            for number in range(20)
        ]

    assert spoofed.code == (403, "permission_error", "ip_not_allowed")
    assert (statuses.count(200), statuses.count(429)) == (5, 15)


@pytest.mark.parametrize(
    ("forwarded", "status"),
    [
        ("198.51.100.7", 200),
        ("10.0.0.1, 198.51.100.7", 200),
        ("198.51.100.7, 10.0.0.1", 403),
        ("198.51.100.7, 127.0.0.1", 200),
        ("198.51.100.7, nonsense", 403),
    ],
)
def test_au_17_of_what_a_trusted_proxy_passes_on_the_last_it_did_not_add_itself_counts(
    live: LiveServer, cast: Cast, forwarded: str, status: int
) -> None:
    address = cast.publish(model="scripted/persona")
    bound = make.key(cast.globex, allowed_networks=["198.51.100.0/24"])

    with ApiClient(live.url, bound) as client:
        answer = client.post(COMPLETIONS, {"model": address, **HELLO}, X_Forwarded_For=forwarded)

    assert answer.status == status


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER "])
def test_au_18_the_scheme_in_any_case(server: Any, acme: Any, greeter: str, scheme: str) -> None:
    with ApiClient(server.url) as client:
        answer = client.post(COMPLETIONS, {"model": greeter, **HELLO}, Authorization=f"{scheme}{make.key(acme)}")

    assert answer.status == 200


@pytest.mark.parametrize(
    "form", ["Bearer  {}", "Bearer\t{}", "Bearer {}\u00a0", "Basic {}", "Bearer{}", "{}", "Bearer {} x"]
)
def test_au_18_no_other_form(server: Any, acme: Any, form: str) -> None:
    line = f"Authorization: {form.format(make.key(acme))}\r\n".encode("latin-1")
    head = f"POST {COMPLETIONS} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: 2\r\n".encode()

    with raw(server.url, head + line + b"\r\n{}") as connection:
        answer = b"".join(received(connection))

    assert answer.split(b" ", 2)[1] == b"401"


@pytest.fixture(params=["/admin/login/", "/console/login/"])
def door(request: pytest.FixtureRequest) -> str:
    address: str = request.param
    return address


def knock(door: str, person: User, password: str, *, at: str = "198.51.100.7") -> Any:
    return Client(REMOTE_ADDR=at).post(door, {"username": person.email, "password": password, "next": "/"})


@pytest.fixture
def somebody(acme: Any) -> User:
    """Who may enter at both doors."""
    who = make.user(password=PASSWORD, is_staff=True, is_superuser=True)
    make.member(acme, Role.OWNER, person=who)
    return who


def test_au_19_guessing_a_password(door: str, somebody: User) -> None:
    wrong = [knock(door, somebody, f"guess {number}") for number in range(12)]
    right = knock(door, somebody, PASSWORD)

    assert [answer.status_code for answer in wrong] == [200] * GUESSES + [429] * (12 - GUESSES)
    assert right.status_code == 429
    assert 0 < int(right["Retry-After"]) <= 900
    assert "Too many attempts" in right.content.decode()
    assert "_auth_user_id" not in right.client.session
    with platform_context(reason="a test looks"):
        events = AuditEvent.objects.filter(action="sign_in.locked", actor_label=somebody.email)
        assert [event.detail for event in events] == [{"address": "198.51.100.7", "attempts": GUESSES}]


def test_au_19_others_are_not_kept_out(door: str, somebody: User, acme: Any) -> None:
    other = make.user(password=PASSWORD, is_staff=True, is_superuser=True)
    make.member(acme, Role.OWNER, person=other)
    for number in range(GUESSES + 1):
        knock(door, somebody, f"guess {number}")

    elsewhere = knock(door, somebody, PASSWORD, at="198.51.100.8")
    another = knock(door, other, PASSWORD)

    assert (elsewhere.status_code, another.status_code) == (302, 302)


def test_au_19_a_network_of_addresses_is_one_place(door: str, somebody: User) -> None:
    for number in range(GUESSES):
        knock(door, somebody, f"guess {number}", at=f"2001:db8::{number:x}")

    moved = knock(door, somebody, PASSWORD, at="2001:db8::ffff:1")
    elsewhere = knock(door, somebody, PASSWORD, at="2001:db8:0:1::1")

    assert (moved.status_code, elsewhere.status_code) == (429, 302)


def test_au_19_who_gets_in_begins_anew_and_a_lock_ends(door: str, somebody: User, settings: Any) -> None:
    for _ in range(2):
        for number in range(GUESSES - 1):
            knock(door, somebody, f"guess {number}")
        assert knock(door, somebody, PASSWORD).status_code == 302

    for number in range(GUESSES):
        knock(door, somebody, f"guess {number}")
    locked = knock(door, somebody, PASSWORD)
    with platform_context(reason="a quarter of an hour goes by"):
        SignInAttempts.objects.update(since=F("since") - timedelta(seconds=settings.ROBUTLER.sign_in_lock_s))
    later = knock(door, somebody, PASSWORD)

    assert (locked.status_code, later.status_code) == (429, 302)


def _until_refused(client: ApiClient, body: dict[str, Any]) -> list[Answer]:
    """What is answered until the key is refused, which has to be within five seconds."""
    answers: list[Answer] = []
    deadline = time.monotonic() + 5
    while not answers or answers[-1].status not in (401, 403):
        assert time.monotonic() < deadline
        answers.append(client.post(COMPLETIONS, body))
    return answers
