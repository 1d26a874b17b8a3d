"""The listing of agents: public ones for everybody, with a key those that it may call, page by page."""

from typing import Any

from agents.services.drafts import SkillChoice
from tests import make
from tests.api.client import ApiClient


def every(client: ApiClient, *, limit: int = 100) -> dict[str, Any]:
    """All agents of the listing, over all its pages, by id."""
    found: dict[str, Any] = {}
    after = ""
    while True:
        page = client.get(f"/v1/agents?limit={limit}{after}").json
        found |= {agent["id"]: agent for agent in page["data"]}
        if not page["has_more"]:
            return found
        after = f"&after={page['last_id']}"


def test_a_public_agent_introduces_itself_to_everybody(stranger: ApiClient, acme: Any) -> None:
    agent = make.published(
        acme,
        visibility="public",
        description="Counts.",
        skills=[SkillChoice(skill="calculator")],
        price_per_run_nanos=1_500_000_000,
    )

    listed = every(stranger)[f"{acme.slug}/{agent.slug}"]

    assert listed | {"pricing": None} == {
        "id": f"{acme.slug}/{agent.slug}",
        "object": "agent",
        "name": "Greeter",
        "description": "Counts.",
        "owned_by": acme.slug,
        "public": True,
        "available": True,
        "capabilities": ["chat", "streaming", "tools"],
        "skills": ["calculator"],
        "tools": ["calculate"],
        "model": "scripted/persona",
        "pricing": None,
        "chat": f"/{acme.slug}/{agent.slug}/chat/completions",
    }
    assert listed["pricing"]["per_run"] == "1.5"


def test_a_private_agent_is_its_organizations_alone(
    stranger: ApiClient, acme_client: ApiClient, globex_client: ApiClient, acme: Any, greeter: str
) -> None:
    own, neighbours, strangers = every(acme_client), every(globex_client), every(stranger)

    assert own[greeter]["public"] is False
    assert not [id for id in (*neighbours, *strangers) if greeter in id]


def test_pages_follow_each_other_without_gaps(stranger: ApiClient, acme: Any) -> None:
    made = {f"{acme.slug}/{make.published(acme, visibility='public').slug}" for _ in range(5)}

    by_twos, at_once = every(stranger, limit=2), every(stranger)

    assert made <= by_twos.keys()
    assert by_twos == at_once


def test_what_is_asked_wrongly_is_named(stranger: ApiClient) -> None:
    assert stranger.get("/v1/agents?limit=101").error["param"] == "limit"
    assert stranger.get("/v1/agents?page=2").error["param"] == "page"
    assert stranger.get("/v1/agents", Authorization="Bearer rb_live_wrong").status == 401
