"""Payment tokens over the management API: made, passed on, looked at, ended; and work elsewhere that they pay."""

import json
from typing import Any
from uuid import uuid4

import pytest

from billing import ledger
from tenants.roles import Role
from tests import make
from tests.api.client import Answer, ApiClient
from tests.api.manage.test_wallet import member
from tests.billing import money

TOKENS = "/api/v1/billing/payment-tokens"
HOLDS = "/api/v1/billing/holds"
MINT = {"cap_nanos": "50000000", "expires_in_s": 3600, "redelegate": True}


def minted(client: ApiClient, **fields: Any) -> dict[str, Any]:
    answer = client.post(TOKENS, {**MINT, **fields})
    assert answer.status == 201, answer.body
    found: dict[str, Any] = answer.json
    return found


def with_token(client: ApiClient, path: str, token: dict[str, Any], body: Any) -> Answer:
    return client.post(path, body, **{"X-Payment-Token": token["token"]})


def reserved(client: ApiClient, token: dict[str, Any], nanos: int, **fields: Any) -> dict[str, Any]:
    body = {"id": str(uuid4()), "amount_nanos": str(nanos), "reference": "translation", **fields}
    answer = with_token(client, HOLDS, token, body)
    assert answer.status == 201, answer.body
    found: dict[str, Any] = answer.json
    return found


def test_a_token_is_made_and_its_text_shown_once(acme_client: ApiClient) -> None:
    id = str(uuid4())
    answer = acme_client.post(TOKENS, {**MINT, "id": id, "name": "for the concierge"})
    again = acme_client.post(TOKENS, {**MINT, "id": id, "name": "for the concierge"})
    looked_at = acme_client.get(f"{TOKENS}/{id}").json

    assert (answer.status, again.status) == (201, 200)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json["token"].startswith(f"{looked_at['prefix']}_")
    assert again.json["token"] is None
    assert "token" not in looked_at
    assert (looked_at["cap_nanos"], looked_at["cap_usd"]) == ("50000000", "0.050000000")
    assert (looked_at["status"], looked_at["available_nanos"], looked_at["funded"]) == ("active", "50000000", False)
    assert [each["id"] for each in acme_client.get(TOKENS).json["data"]] == [id]


def test_whoever_holds_a_token_sees_what_it_allows_and_not_whose_it_is(
    acme_client: ApiClient, globex_client: ApiClient
) -> None:
    token = minted(acme_client, name="secret plans")

    seen = globex_client.get(f"{TOKENS}/introspect", **{"X-Payment-Token": token["token"]})
    in_body = globex_client.post(f"{TOKENS}/introspect", {"token": token["token"]})

    assert seen.json == in_body.json
    assert (seen.json["active"], seen.json["available_nanos"]) == (True, "50000000")
    assert not {"name", "organization", "parent_id", "spent_nanos"} & seen.json.keys()
    assert globex_client.get(f"{TOKENS}/introspect").code == (402, "payment_required", "payment_token_required")


def test_tokens_of_others_are_not_there(acme_client: ApiClient, globex_client: ApiClient) -> None:
    token = minted(acme_client)

    assert globex_client.get(TOKENS).json["data"] == []
    for answer in (
        globex_client.get(f"{TOKENS}/{token['id']}"),
        globex_client.post(f"{TOKENS}/{token['id']}/revoke", {}),
        globex_client.post(f"{TOKENS}/{token['id']}/delegate", MINT),
    ):
        assert answer.code == (404, "invalid_request_error", "token_not_found")
    assert acme_client.get(f"{TOKENS}/{token['id']}").json["status"] == "active"


def test_a_token_is_passed_on_by_whoever_holds_it(acme_client: ApiClient, globex_client: ApiClient) -> None:
    root = minted(acme_client)

    child = with_token(
        globex_client, f"{TOKENS}/{root['id']}/delegate", root, {"cap_nanos": "30000000", "redelegate": True}
    )
    too_much = with_token(globex_client, f"{TOKENS}/{root['id']}/delegate", root, {"cap_nanos": "20000001"})
    shown = acme_client.get(f"{TOKENS}/{root['id']}").json

    assert child.status == 201
    assert child.json["depth"] == 1
    assert too_much.code == (402, "payment_required", "payment_token_cap_exceeded")
    assert too_much.error["metadata"]["available_nanos"] == "20000000"
    assert (shown["held_nanos"], shown["available_nanos"]) == ("30000000", "20000000")


def test_a_revoked_token_ends_with_all_below_it(acme_client: ApiClient, globex_client: ApiClient) -> None:
    root = minted(acme_client)
    child = with_token(globex_client, f"{TOKENS}/{root['id']}/delegate", root, {"cap_nanos": "100"}).json

    answer = acme_client.post(f"{TOKENS}/{root['id']}/revoke", {})
    again = acme_client.post(f"{TOKENS}/{root['id']}/revoke", {})

    assert (answer.json["status"], again.json["status"]) == ("revoked", "revoked")
    seen = globex_client.get(f"{TOKENS}/introspect", **{"X-Payment-Token": child["token"]}).json
    assert (seen["active"], seen["status"], seen["available_nanos"]) == (False, "revoked", "0")


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"cap_nanos": "0"}, "invalid_amount", "cap_nanos"),
        ({"cap_nanos": 1.5}, "invalid_amount", "cap_nanos"),
        ({"cap_nanos": "-5"}, "invalid_amount", "cap_nanos"),
        ({"cap_nanos": str(10**18 + 1)}, "invalid_amount", "cap_nanos"),
        ({"cap_nanos": True}, "invalid_amount", "cap_nanos"),
        ({"expires_in_s": 0}, "invalid_value", "expires_in_s"),
        ({"max_per_call_nanos": "50000001"}, "invalid_amount", "max_per_call_nanos"),
        ({"audience": ["nobody/at-all"]}, "invalid_value", "audience"),
        ({"audience": []}, "invalid_value", "audience"),
        ({"balance": "1"}, "unknown_parameter", "balance"),
    ],
)
def test_what_is_wrong_with_a_token_is_named(
    fields: dict[str, Any], code: str, param: str, acme_client: ApiClient
) -> None:
    answer = acme_client.post(TOKENS, {**MINT, **fields})

    assert (answer.status, answer.error["code"], answer.error["param"]) == (400, code, param)


def test_without_a_lifetime_there_is_no_token(acme_client: ApiClient) -> None:
    answer = acme_client.post(TOKENS, {"cap_nanos": "5"})

    assert (answer.status, answer.error["param"]) == (400, "expires_in_s")


def test_only_who_may_spend_makes_tokens(acme: Any, acme_client: ApiClient) -> None:
    minted(acme_client)

    for role, reads, writes in ((Role.BILLING, 200, 201), (Role.DEVELOPER, 403, 403), (Role.VIEWER, 403, 403)):
        person = member(acme, role)
        token = person.get("/console/").cookies.get("csrftoken")
        csrf = person.cookies["csrftoken"].value if "csrftoken" in person.cookies else (token.value if token else "")
        made = person.post(TOKENS, json.dumps(MINT), content_type="application/json", HTTP_X_CSRFTOKEN=csrf)
        assert person.get(TOKENS).status_code == reads, role
        assert made.status_code == writes, (role, made.content)


def test_a_test_key_makes_no_token(acme: Any, acme_client: ApiClient) -> None:
    with ApiClient(acme_client.base_url, make.key(acme, test_mode=True)) as client:
        assert client.post(TOKENS, MINT).status == 403


# --- work elsewhere that a token pays ---------------------------------------------------------------------------------


def test_work_elsewhere_is_reserved_extended_and_taken_once(
    acme: Any, globex: Any, acme_client: ApiClient, globex_client: ApiClient
) -> None:
    token, before = minted(acme_client), ledger.balance(acme.id).posted
    earned = money.Books()

    hold = reserved(globex_client, token, 10_000_000)
    grown = globex_client.post(f"{HOLDS}/{hold['id']}/extend", {"amount_nanos": "20000000"})
    taken = globex_client.post(f"{HOLDS}/{hold['id']}/capture", {"amount_nanos": "15000000"})
    again = globex_client.post(f"{HOLDS}/{hold['id']}/capture", {"amount_nanos": "15000000"})
    other = globex_client.post(f"{HOLDS}/{hold['id']}/capture", {"amount_nanos": "14000000"})

    assert (hold["status"], hold["payment_token"]) == ("open", token["prefix"])
    assert grown.json["amount_nanos"] == "20000000"
    assert (taken.json["status"], taken.json["charged_nanos"]) == ("settled", "15000000")
    assert again.json == taken.json
    assert other.code == (409, "conflict_error", "already_captured")
    assert ledger.balance(acme.id).posted == before - 15_000_000
    assert earned.change("creator_earnings") + earned.change("platform_revenue") == 15_000_000
    assert acme_client.get(f"{TOKENS}/{token['id']}").json["spent_nanos"] == "15000000"
    assert money.broken_rules() == {}


def test_what_was_reserved_is_given_back(acme: Any, acme_client: ApiClient, globex_client: ApiClient) -> None:
    token = minted(acme_client)
    first, second = reserved(globex_client, token, 10), reserved(globex_client, token, 10)

    released = globex_client.post(f"{HOLDS}/{first['id']}/release", {})
    for_nothing = globex_client.post(f"{HOLDS}/{second['id']}/capture", {"amount_nanos": "0"})
    too_late = globex_client.post(f"{HOLDS}/{first['id']}/capture", {"amount_nanos": "5"})

    assert (released.json["status"], released.json["charged_nanos"]) == ("released", "0")
    assert for_nothing.json["charged_nanos"] == "0"
    assert too_late.code == (409, "conflict_error", "hold_closed")
    assert ledger.balance(acme.id).held == 0


def test_no_more_is_taken_than_was_reserved(acme_client: ApiClient, globex_client: ApiClient) -> None:
    hold = reserved(globex_client, minted(acme_client), 10)

    answer = globex_client.post(f"{HOLDS}/{hold['id']}/capture", {"amount_nanos": "11"})

    assert answer.code == (400, "invalid_request_error", "capture_exceeds_hold")


def test_a_hold_sent_again_reserves_nothing_more(acme: Any, acme_client: ApiClient, globex_client: ApiClient) -> None:
    token, body = minted(acme_client), {"id": str(uuid4()), "amount_nanos": "10"}

    answers = [with_token(globex_client, HOLDS, token, body) for _ in range(2)]
    other = with_token(globex_client, HOLDS, minted(acme_client), body)

    assert [answer.status for answer in answers] == [201, 201]
    assert other.code == (409, "conflict_error", "id_taken")
    assert ledger.balance(acme.id).held == 10


def test_a_hold_is_ended_by_nobody_but_who_earns_by_it(acme_client: ApiClient, globex_client: ApiClient) -> None:
    hold = reserved(globex_client, minted(acme_client), 10)

    for act, body in (("capture", {"amount_nanos": "1"}), ("release", {}), ("extend", {"expires_in_s": 5})):
        answer = acme_client.post(f"{HOLDS}/{hold['id']}/{act}", body)
        assert answer.code == (404, "invalid_request_error", "hold_not_found"), act


def test_a_token_bound_to_agents_pays_no_others(
    acme: Any, globex: Any, acme_client: ApiClient, globex_client: ApiClient
) -> None:
    bound, other = (make.published(globex, visibility="public").slug for _ in range(2))
    token = minted(acme_client, audience=[f"{globex.slug}/{bound}"])

    paid = with_token(globex_client, HOLDS, token, {"id": str(uuid4()), "amount_nanos": "5", "agent": bound})
    refused = with_token(globex_client, HOLDS, token, {"id": str(uuid4()), "amount_nanos": "5", "agent": other})
    unnamed = with_token(globex_client, HOLDS, token, {"id": str(uuid4()), "amount_nanos": "5"})

    assert paid.status == 201
    for answer in (refused, unnamed):
        assert answer.code == (402, "payment_required", "payment_token_wrong_audience")


def test_the_words_of_robutler_2_lock_settle_and_delegate(
    acme: Any, acme_client: ApiClient, globex_client: ApiClient
) -> None:
    agent = make.published(acme, visibility="public").slug
    token = minted(acme_client)["token"]

    verified = globex_client.post("/api/payments/verify", {"token": token})
    locked = globex_client.post("/api/payments/lock", {"token": token, "amount": 0.02})
    lock = locked.json["lockId"]
    grown = globex_client.request(
        "PATCH",
        f"/api/payments/lock/{lock}",
        content=b'{"amount": "0.03"}',
        headers={"Content-Type": "application/json"},
    )
    settled = globex_client.post("/api/payments/settle", {"lockId": lock, "amount": "0.012500001"})
    child = globex_client.post(
        "/api/payments/delegate", {"parentToken": token, "delegateTo": f"@{acme.slug}/{agent}", "amount": "0.01"}
    )
    nonsense = globex_client.post("/api/payments/verify", {"token": "nothing"})

    assert (verified.json["valid"], verified.json["balanceDollars"]) == (True, "0.050000000")
    assert locked.json["lockedAmountDollars"] == "0.020000000"
    assert grown.json["lockedAmountDollars"] == "0.030000000"
    assert (settled.json["chargedDollars"], settled.json["remainingDollars"]) == ("0.012500001", "0.017499999")
    assert child.json["token"].startswith("rb_pt_")
    assert nonsense.json["valid"] is False
    assert money.broken_rules() == {}


def test_an_ended_token_lets_nothing_grow(acme_client: ApiClient, globex_client: ApiClient) -> None:
    for redelegated in (False, True):
        root = minted(acme_client)
        token = root
        if redelegated:
            path = f"{TOKENS}/{root['id']}/delegate"
            token = with_token(globex_client, path, root, {"cap_nanos": "50000000"}).json
        hold = reserved(globex_client, token, 1)
        with_token(globex_client, f"{TOKENS}/{token['id']}/revoke", token, {})

        beyond = globex_client.post(f"{HOLDS}/{hold['id']}/extend", {"amount_nanos": "60000000"})
        within = globex_client.post(f"{HOLDS}/{hold['id']}/extend", {"amount_nanos": "2"})
        longer = globex_client.post(f"{HOLDS}/{hold['id']}/extend", {"expires_in_s": 86_400})

        for answer in (beyond, within, longer):
            assert answer.code == (402, "payment_required", "payment_token_revoked"), answer.body
        assert globex_client.post(f"{HOLDS}/{hold['id']}/capture", {"amount_nanos": "1"}).status == 200


def test_what_grows_costs_no_more_than_a_request_may(acme_client: ApiClient, globex_client: ApiClient) -> None:
    token = minted(acme_client, max_per_call_nanos="5000")
    hold = reserved(globex_client, token, 5_000)

    by_hold = globex_client.post(f"{HOLDS}/{hold['id']}/extend", {"amount_nanos": "5001"})
    by_lock = globex_client.request(
        "PATCH",
        f"/api/payments/lock/{hold['id']}",
        content=b'{"amount": "0.000005001"}',
        headers={"Content-Type": "application/json"},
    )

    for answer in (by_hold, by_lock):
        assert answer.code == (402, "payment_required", "payment_token_cap_exceeded"), answer.body


def test_whoever_passes_a_token_on_hears_nothing_of_the_wallet(
    acme: Any, acme_client: ApiClient, globex_client: ApiClient
) -> None:
    available = ledger.balance(acme.id).available
    root = minted(acme_client, cap_nanos=str(available + 2))
    path, asked = f"{TOKENS}/{root['id']}/delegate", {"cap_nanos": str(available + 1)}

    foreign = with_token(globex_client, path, root, asked)
    own = with_token(acme_client, path, root, asked)

    assert foreign.code == (402, "payment_required", "payment_token_cap_exceeded")
    assert "available_nanos" not in foreign.error["metadata"]
    assert str(available).encode() not in foreign.body
    assert own.error["metadata"]["available_nanos"] == str(available)


def test_an_id_names_one_token_on_one_set_of_terms(acme_client: ApiClient) -> None:
    asked = {**MINT, "id": str(uuid4()), "max_per_call_nanos": "500"}
    assert acme_client.post(TOKENS, asked).status == 201

    again = acme_client.post(TOKENS, asked)
    other = acme_client.post(TOKENS, {**asked, "max_per_call_nanos": "501"})

    assert again.status == 200
    assert other.code == (409, "conflict_error", "id_taken")


def test_a_lock_that_is_to_live_on_is_not_ended_instead(acme_client: ApiClient, globex_client: ApiClient) -> None:
    hold = reserved(globex_client, minted(acme_client), 5_000)
    settle = {"lockId": hold["id"], "amount": "0.000001"}

    kept = globex_client.post("/api/payments/settle", {**settle, "release": False})
    ended = globex_client.post("/api/payments/settle", settle)

    assert kept.status == 400
    assert ended.status == 200
