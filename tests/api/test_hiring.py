"""Agents that hire agents: a token of a part of what a run may spend, capped, bound, and over with the run."""

import threading
from typing import Any

import pytest

from billing import ledger
from tenants.permissions import KEY_PERMISSIONS
from tests import make
from tests.api.client import HELLO, ApiClient, Server
from tests.api.manage.test_payment_tokens import TOKENS
from tests.billing import money
from tests.live.waiting import eventually

CAP = 50_000_000
PER_RUN_NANOS = 20_000_000
OWN_PRICE_NANOS = 7_000_000


@pytest.fixture
def initech(database: None) -> Any:
    """Who made the agent that is hired."""
    return make.organization("Initech")


@pytest.fixture
def hired(initech: Any) -> str:
    """The address of the agent that is hired, at a price by the run."""
    slug = make.published(initech, visibility="public", price_per_run_nanos=PER_RUN_NANOS).slug
    return f"{initech.slug}/{slug}"


@pytest.fixture
def concierge(globex: Any, server: Server, monkeypatch: pytest.MonkeyPatch) -> type[Any]:
    """Globex's skill that hires, with a key of Globex's that has no money."""
    from skills import registry
    from tests.api.concierge import ConciergeSkill

    known_names, known_class = registry.names, registry.skill_class
    monkeypatch.setattr(registry, "names", lambda: [*known_names(), "concierge"])
    monkeypatch.setattr(
        registry, "skill_class", lambda name: ConciergeSkill if name == "concierge" else known_class(name)
    )
    monkeypatch.setattr(ConciergeSkill, "base_url", server.url)
    monkeypatch.setattr(ConciergeSkill, "key", make.key(globex, permissions=sorted(KEY_PERMISSIONS)))
    monkeypatch.setattr(ConciergeSkill, "handed_out", [])
    return ConciergeSkill


def hires(globex: Any, agent: str, *, caps: tuple[int, ...] = (CAP,)) -> str:
    """The address of an agent of Globex's that hires that one, once for each of the caps."""
    from agents.services.drafts import SkillChoice

    calls = [{"name": "hire", "arguments": {"agent": agent, "cap_nanos": cap}} for cap in caps]
    script = SkillChoice(skill="scripted", options={"rules": [{"calls": calls, "then": [{"text": "done"}]}]})
    slug = make.published(
        globex,
        visibility="public",
        price_per_run_nanos=OWN_PRICE_NANOS,
        skills=[script, SkillChoice(skill="concierge")],
    ).slug
    return f"{globex.slug}/{slug}"


def test_a_chain_of_three_organizations_is_paid_by_the_first(
    acme: Any, globex: Any, initech: Any, acme_client: ApiClient, hired: str, concierge: Any
) -> None:
    before, earned = ledger.balance(acme.id).posted, money.Books()

    answer = acme_client.post("/v1/chat/completions", {"model": hires(globex, hired), **HELLO})

    assert answer.status == 200, answer.body
    assert len(concierge.handed_out) == 1
    paid = before - ledger.balance(acme.id).posted
    assert earned.change("creator_earnings") == OWN_PRICE_NANOS + PER_RUN_NANOS
    assert paid == earned.change("creator_earnings") + earned.change("platform_revenue")
    assert (ledger.balance(acme.id).held, ledger.balance(globex.id).posted) == (0, 0)
    charges = acme_client.get("/api/v1/billing/charges").json["data"]
    assert len([charge for charge in charges if int(charge["charged_nanos"] or 0)]) == 2
    assert money.broken_rules() == {}


def test_a_token_of_a_run_is_over_with_it(
    acme: Any, globex: Any, globex_client: ApiClient, acme_client: ApiClient, hired: str, concierge: Any
) -> None:
    acme_client.post("/v1/chat/completions", {"model": hires(globex, hired), **HELLO})
    (text,) = concierge.handed_out

    seen = globex_client.get(f"{TOKENS}/introspect", **{"X-Payment-Token": text}).json
    later = globex_client.post("/v1/chat/completions", {"model": hired, **HELLO}, **{"X-Payment-Token": text})

    assert (seen["active"], seen["status"]) == (False, "closed")
    assert later.code == (402, "payment_required", "payment_token_revoked")


def test_the_hired_never_get_more_than_the_cap(
    acme: Any, globex: Any, acme_client: ApiClient, hired: str, concierge: Any
) -> None:
    before, earned = ledger.balance(acme.id).posted, money.Books()
    agent = hires(globex, hired, caps=(PER_RUN_NANOS - 1,))

    answer = acme_client.post("/v1/chat/completions", {"model": agent, **HELLO})

    assert answer.status == 200
    assert earned.change("creator_earnings") == OWN_PRICE_NANOS
    assert before - ledger.balance(acme.id).posted < PER_RUN_NANOS
    assert ledger.balance(acme.id).held == 0
    assert money.broken_rules() == {}


def test_a_run_hands_out_no_more_than_its_payer_has(
    globex: Any, hired: str, concierge: Any, server: Server, acme: Any
) -> None:
    make.wallet(acme, 30_000_000)
    with ApiClient(server.url, make.key(acme)) as client:
        answer = client.post("/v1/chat/completions", {"model": hires(globex, hired), **HELLO})

    assert concierge.handed_out == []
    assert answer.status in (200, 402)
    assert ledger.balance(acme.id).held == 0
    assert money.broken_rules() == {}


def test_revoking_the_payers_token_stops_all_that_is_hired_with_it(
    acme: Any, globex: Any, initech: Any, acme_client: ApiClient, server: Server, concierge: Any
) -> None:
    from agents.services.drafts import SkillChoice
    from tests.api.manage.test_payment_tokens import minted

    script = SkillChoice(skill="scripted", options={"chunk_ms": 50, "rules": [{"text": "word " * 600}]})
    slow = make.published(initech, visibility="public", skills=[script], output_price_pico=1_000_000).slug
    agent, token = hires(globex, f"{initech.slug}/{slow}", caps=(10_000_000,)), minted(acme_client)
    done = threading.Event()

    def revoke() -> None:
        for _ in range(200):
            if concierge.handed_out:
                break
            done.wait(0.05)
        done.wait(0.5)
        acme_client.post(f"{TOKENS}/{token['id']}/revoke", {})

    revoking = threading.Thread(target=revoke)
    revoking.start()
    with ApiClient(server.url, concierge.key) as caller:
        answer = caller.post("/v1/chat/completions", {"model": agent, **HELLO}, **{"X-Payment-Token": token["token"]})
    revoking.join()

    assert answer.status == 503
    assert len(concierge.handed_out) == 1
    assert eventually(lambda: not ledger.balance(acme.id).held, within_s=10)
    spent = int(acme_client.get(f"{TOKENS}/{token['id']}").json["spent_nanos"])
    assert OWN_PRICE_NANOS < spent < OWN_PRICE_NANOS + 600_000  # the concierge had begun; of the hired, a few words
    assert money.broken_rules() == {}
