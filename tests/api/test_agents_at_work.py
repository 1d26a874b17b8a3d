"""Agents that call other agents, and agents that pass the conversation on to them."""

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import openai
import pytest

from billing import ledger
from tests import make
from tests.api.client import HELLO, ApiClient, Server
from tests.billing import money
from tests.live.waiting import eventually

COMPLETIONS = "/v1/chat/completions"
CENT = 10_000_000
TRANSLATORS_PRICE = 2 * CENT
TOOLS_PRICE = CENT
CAP = 5 * CENT
HOPS = 8


@pytest.fixture
def initech(database: None) -> Any:
    return make.organization("Initech")


def publish(
    organization: Any, *rules: dict[str, Any], skills: Sequence[tuple[str, dict[str, Any]]] = (), **more: Any
) -> str:
    """The full address of an agent that follows these rules."""
    from agents.services.drafts import SkillChoice

    script = {"rules": list(rules), "chunk_ms": more.pop("chunk_ms", 0)}
    chosen = [SkillChoice(skill=name, options=options) for name, options in (("scripted", script), *skills)]
    slug = make.published(organization, visibility="public", skills=chosen, **more).slug
    return f"{organization.slug}/{slug}"


def asking(agent: str, *, dollars: str = "0.05", say: str = "Translate.") -> dict[str, Any]:
    arguments = {"agent": agent, "message": say, "authorized_amount": dollars}
    return {"calls": [{"name": "nli_tool", "arguments": arguments}], "then": [{"text": "Done."}]}


def passing(agent: str, *, then: str = "I could not pass it on.") -> dict[str, Any]:
    name = "transfer_to_" + agent.replace("/", "_").replace("-", "_")
    return {"calls": [{"name": name[:64], "arguments": {"reason": "You know better."}}], "then": [{"text": then}]}


def to(*agents: str) -> tuple[str, dict[str, Any]]:
    return "handoffs", {"targets": [f"{agent}: Always." for agent in agents]}


def told_of(client: ApiClient, agent: str) -> tuple[Any, list[Any]]:
    """A stream's answer, and what its tools told."""
    stream = client.stream(COMPLETIONS, {"model": agent, **HELLO}, X_Robutler_Events="1")
    results = [frame for frame in stream.frames if frame.startswith("event: robutler.tool_result")]
    return stream, [json.loads(frame.split("data: ")[1])["robutler"]["content"] for frame in results]


def ended(client: ApiClient) -> list[Any]:
    """The latest runs that are over; their rows are written behind them."""
    return [run for run in client.get("/v1/runs?limit=50").json["data"] if run["ended_at"]]


# --- calling ----------------------------------------------------------------------------------------------------------


def test_a_chain_of_three_organizations_adds_up_to_the_nano(
    acme: Any, globex: Any, initech: Any, acme_client: ApiClient
) -> None:
    tool = publish(initech, {"text": "Sveiki"}, price_per_run_nanos=TOOLS_PRICE)
    translator = publish(
        globex, asking(tool, dollars="0.01"), skills=[("nli", {})], price_per_run_nanos=TRANSLATORS_PRICE
    )
    concierge = publish(acme, asking(translator), skills=[("nli", {"may_hire": [tool]})])
    before, earned = ledger.balance(acme.id).posted, money.Books()

    stream, (told,) = told_of(acme_client, concierge)

    answer = json.loads(told)
    paid = before - ledger.balance(acme.id).posted
    fees = earned.change("platform_revenue")
    assert stream.text == "Done."
    assert earned.change("creator_earnings") == TRANSLATORS_PRICE + TOOLS_PRICE
    assert paid == TRANSLATORS_PRICE + TOOLS_PRICE + fees
    assert Decimal(answer["charged_usd"]) * 10**9 <= CAP
    assert (ledger.balance(acme.id).held, ledger.balance(globex.id).posted) == (0, 0)
    assert money.broken_rules() == {}


def test_whoever_is_called_gets_no_more_than_was_authorized(acme: Any, globex: Any, acme_client: ApiClient) -> None:
    translator = publish(globex, {"text": "Sveiki"}, price_per_run_nanos=6 * CENT)
    concierge = publish(acme, asking(translator), skills=[("nli", {})])
    before = ledger.balance(acme.id).posted

    stream, (told,) = told_of(acme_client, concierge)

    assert stream.text == "Done."
    assert "could not answer" in told
    assert (ledger.balance(acme.id).posted, ledger.balance(acme.id).held) == (before, 0)


@pytest.mark.parametrize(
    ("dollars", "words"), [("5.01", "authorized_amount"), ("0.5", "at most"), ("-1", "authorized_amount")]
)
def test_a_model_that_wants_to_spend_more_is_told_so(
    acme: Any, globex: Any, acme_client: ApiClient, dollars: str, words: str
) -> None:
    translator = publish(globex, {"text": "Sveiki"}, price_per_run_nanos=CENT)
    concierge = publish(acme, asking(translator, dollars=dollars), skills=[("nli", {"most_usd": "0.2"})])
    before = ledger.balance(acme.id).posted

    _, (told,) = told_of(acme_client, concierge)

    assert words in told
    assert ledger.balance(acme.id).posted == before


def test_nobody_is_called_that_may_not_be(acme: Any, globex: Any, acme_client: ApiClient) -> None:
    private = f"{globex.slug}/{make.published(globex).slug}"
    allowed = publish(globex, {"text": "Yes."})
    some = publish(acme, asking(private), skills=[("nli", {})])
    none = publish(acme, asking(allowed), skills=[("nli", {"agents": []})])

    _, (unreachable,) = told_of(acme_client, some)
    _, (forbidden,) = told_of(acme_client, none)

    assert "no agent" in unreachable
    assert "may not call" in forbidden


def test_an_agent_does_not_call_itself_and_a_circle_of_agents_ends(
    acme: Any, acme_client: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    from agents.services import publishing
    from agents.services.drafts import SkillChoice
    from tenants.context import organization_context

    agent = make.published(acme, visibility="public", skills=[SkillChoice(skill="nli")])
    address = f"{acme.slug}/{agent.slug}"
    other = publish(acme, asking(address, dollars="0"), skills=[("nli", {})])
    rules = [asking(address, dollars="0") | {"match": "yourself"}, asking(other, dollars="0")]
    with organization_context(acme.id):
        script = SkillChoice(skill="scripted", options={"rules": rules})
        publishing.save_draft(agent, skills=[script, SkillChoice(skill="nli")])
        publishing.publish(agent)

    body = {"model": address, "messages": [{"role": "user", "content": "yourself"}]}
    oneself = acme_client.stream(COMPLETIONS, body, X_Robutler_Events="1")
    circle, (told,) = told_of(acme_client, address)

    assert "does not call itself" in "".join(oneself.frames)
    assert circle.text == "Done."
    assert "Done." in told


def test_a_free_agent_is_called_for_nothing_and_no_other_is(acme: Any, globex: Any, acme_client: ApiClient) -> None:
    free = publish(globex, {"text": "For nothing."}, input_price_pico=0, output_price_pico=0)
    paid = publish(globex, {"text": "For money."}, price_per_run_nanos=CENT)

    _, (good,) = told_of(acme_client, publish(acme, asking(free, dollars="0"), skills=[("nli", {})]))
    _, (bad,) = told_of(acme_client, publish(acme, asking(paid, dollars="0"), skills=[("nli", {})]))

    assert json.loads(good)["answer"] == "For nothing."
    assert "For money" not in bad


# --- passing on -------------------------------------------------------------------------------------------------------


def test_a_conversation_that_is_passed_on_is_one_completion(
    acme: Any, globex: Any, acme_client: ApiClient, server: Server
) -> None:
    expert = publish(globex, {"text": "The expert speaks."}, price_per_run_nanos=TRANSLATORS_PRICE)
    desk = publish(acme, passing(expert), skills=[to(expert)], price_per_run_nanos=TOOLS_PRICE)
    before, earned = ledger.balance(acme.id).posted, money.Books()
    key = acme_client.http.headers["Authorization"].removeprefix("Bearer ")

    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=key) as client:
        chunks = list(
            client.chat.completions.create(
                model=desk,
                messages=[{"role": "user", "content": "Hello!"}],
                stream=True,
                stream_options={"include_usage": True},
            )
        )

    ids = {chunk.id for chunk in chunks}
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    reasons = [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices and chunk.choices[0].finish_reason]
    assert (len(ids), text, reasons) == (1, "The expert speaks.", ["stop"])
    assert not any(chunk.choices[0].delta.tool_calls for chunk in chunks if chunk.choices)
    names = {desk.partition("/")[2], expert}
    assert eventually(lambda: {run["agent"] for run in ended(acme_client)} >= names, within_s=10)
    runs = [run for run in ended(acme_client) if run["agent"] in names]
    assert chunks[-1].usage
    assert chunks[-1].usage.completion_tokens == sum(run["usage"]["output_tokens"] for run in runs)
    assert earned.change("creator_earnings") == TRANSLATORS_PRICE + TOOLS_PRICE
    assert before - ledger.balance(acme.id).posted == sum(int(run["charged_nanos"]) for run in runs)
    assert ledger.balance(acme.id).held == 0
    assert money.broken_rules() == {}


def test_what_a_whole_answer_cost_counts_everybody(acme: Any, globex: Any, acme_client: ApiClient) -> None:
    expert = publish(globex, {"text": "The expert speaks."}, price_per_run_nanos=TRANSLATORS_PRICE)
    desk = publish(globex, passing(expert), skills=[to(expert)], price_per_run_nanos=TOOLS_PRICE)
    before = ledger.balance(acme.id).posted

    answer = acme_client.post(COMPLETIONS, {"model": desk, **HELLO})

    assert answer.json["choices"][0]["message"]["content"] == "The expert speaks."
    paid = before - ledger.balance(acme.id).posted
    assert Decimal(answer.headers["x-robutler-cost"]) * 10**9 == paid
    assert paid >= TRANSLATORS_PRICE + TOOLS_PRICE


def test_two_agents_that_pass_to_each_other_stop_with_an_answer(acme: Any, acme_client: ApiClient) -> None:
    from agents.services import publishing
    from agents.services.drafts import SkillChoice
    from tenants.context import organization_context

    one = make.published(acme, visibility="public")
    address = f"{acme.slug}/{one.slug}"
    other = publish(acme, passing(address, then="I answer it myself."), skills=[to(address)])
    with organization_context(acme.id):
        script = SkillChoice(skill="scripted", options={"rules": [passing(other, then="I answer it myself.")]})
        kind, options = to(other)
        publishing.save_draft(one, skills=[script, SkillChoice(skill=kind, options=options)])
        publishing.publish(one)

    stream = acme_client.stream(COMPLETIONS, {"model": address, **HELLO})

    def runs() -> int:
        found = acme_client.get("/v1/runs?limit=50").json["data"]
        return sum(run["agent"] in (one.slug, other.partition("/")[2]) for run in found)

    assert stream.text == "I answer it myself."
    assert eventually(lambda: runs() == 1 + HOPS, within_s=10)


def test_handoffs_are_counted_by_pairs(
    acme: Any, globex: Any, acme_client: ApiClient, globex_client: ApiClient
) -> None:
    expert = publish(globex, {"text": "The expert speaks."})
    broken = publish(globex, {"error": "rejected"})
    desk = publish(acme, {"match": "broken", **passing(broken)}, passing(expert), skills=[to(expert, broken)])
    for words in ("Hello!", "Hello again!", "something broken"):
        acme_client.post(COMPLETIONS, {"model": desk, "messages": [{"role": "user", "content": words}]})

    def counted() -> list[Any]:
        pairs = globex_client.get("/api/v1/agents/handoffs").json["data"]
        return [(pair["receiver"], pair["count"], pair["succeeded"]) for pair in pairs]

    slugs = [address.partition("/")[2] for address in (expert, broken)]
    assert eventually(lambda: counted() == [(slugs[0], 2, 2), (slugs[1], 1, 0)], within_s=10), counted()
    assert globex_client.get("/api/v1/agents/handoffs").json["data"][0]["giver"] == desk.partition("/")[2]
    assert acme_client.get("/api/v1/agents/handoffs").json["data"] == []
    assert globex_client.get("/api/v1/agents/handoffs?since=2026-01-01&until=2020-01-01").status == 400


def test_a_target_that_is_not_there_is_told_to_the_model(acme: Any, acme_client: ApiClient) -> None:
    nobody = f"{acme.slug}/nobody"
    desk = publish(acme, passing(nobody), skills=[to(nobody)])

    stream = acme_client.stream(COMPLETIONS, {"model": desk, **HELLO})

    assert stream.text == "I could not pass it on."


def test_an_agent_that_cannot_be_paid_leaves_the_conversation_where_it_is(
    acme: Any, globex: Any, server: Server
) -> None:
    expert = publish(globex, {"text": "The expert speaks."}, price_per_run_nanos=50 * CENT)
    desk = publish(globex, passing(expert), skills=[to(expert)], price_per_run_nanos=CENT)
    make.wallet(acme, 3 * CENT)

    with ApiClient(server.url, make.key(acme)) as client:
        answer = client.post(COMPLETIONS, {"model": desk, **HELLO})

    assert answer.json["choices"][0]["message"]["content"] == "I could not pass it on."
    assert ledger.balance(acme.id).held == 0


def test_ag_02_an_owner_of_one_agent_is_no_owner_of_what_it_is_passed_on_to(
    acme: Any, globex: Any, acme_client: ApiClient, board: Any
) -> None:
    expert = publish(
        globex, {"calls": [{"name": "for_owners", "arguments": {}}], "then": [{"text": "No."}]}, skills=[("keys", {})]
    )
    desk = publish(acme, passing(expert), skills=[to(expert)])

    stream, told = told_of(acme_client, desk)

    assert stream.text == "No."
    assert "not available" in told[0]
    assert board.uses == []


def test_ag_02_whom_a_stranger_passes_to_its_owner_learns_nothing_of_owners(
    acme: Any, globex: Any, acme_client: ApiClient, board: Any
) -> None:
    mine = publish(
        acme, {"calls": [{"name": "for_owners", "arguments": {}}], "then": [{"text": "No."}]}, skills=[("keys", {})]
    )
    theirs = publish(globex, passing(mine), skills=[to(mine)])

    stream, _ = told_of(acme_client, theirs)
    direct, _ = told_of(acme_client, mine)

    assert stream.text == direct.text == "No."
    assert board.uses == ["owner"]


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A skill with a tool for owners, that notes its uses."""
    from skills import registry
    from skills.sdk import RunContext, Skill, tool

    class KeysSkill(Skill):
        """Notes who uses it."""

        name = "keys"
        uses: list[str] = []  # noqa: RUF012 - shared on purpose

        @tool(scope="owner")
        async def for_owners(self, ctx: RunContext) -> str:
            """For owners only."""
            self.uses.append(ctx.caller.scope)
            return "done"

    names, known = registry.names, registry.skill_class
    monkeypatch.setattr(registry, "names", lambda: [*names(), "keys"])
    monkeypatch.setattr(registry, "skill_class", lambda name: KeysSkill if name == "keys" else known(name))
    KeysSkill.uses.clear()
    return KeysSkill
