"""Runs that wait for a member's word, given in the console or over the API."""

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from billing import ledger
from skills.sdk import RunContext, Skill, tool
from tenants.context import platform_context
from tenants.roles import Role
from tests import make
from tests.api.client import HELLO, ApiClient, Stream
from tests.live.waiting import eventually

APPROVALS = "/api/v1/approvals"


class RocketSkill(Skill):
    """Launches."""

    name = "rocket"
    launched: list[str] = []  # noqa: RUF012 - shared on purpose

    @tool(requires_approval=True)
    async def launch(self, ctx: RunContext, target: str) -> str:
        """Launch the rocket."""
        self.launched.append(target)
        return f"on its way to {target}"


@pytest.fixture
def rocket(acme: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """Acme's agent that wants to launch, and is asked by everybody."""
    from agents.services.drafts import SkillChoice
    from skills import registry

    names, known = registry.names, registry.skill_class
    monkeypatch.setattr(registry, "names", lambda: [*names(), "rocket"])
    monkeypatch.setattr(registry, "skill_class", lambda name: RocketSkill if name == "rocket" else known(name))
    RocketSkill.launched.clear()
    rule = {"calls": [{"name": "launch", "arguments": {"target": "the moon"}}], "then": [{"text": "Done."}]}
    skills = [SkillChoice(skill="scripted", options={"rules": [rule]}), SkillChoice(skill="rocket")]
    slug = make.published(acme, visibility="public", skills=skills, price_per_run_nanos=1_000_000).slug
    return f"{acme.slug}/{slug}"


@contextmanager
def waiting(caller: ApiClient, agent: str, owner: ApiClient) -> Generator[tuple[Any, Callable[[], Stream]]]:
    """A run that waits, its question as the agent's owner sees it, and the way to the run's end."""
    answers: list[Stream] = []
    body = {"model": agent, **HELLO}
    thread = threading.Thread(
        target=lambda: answers.append(caller.stream("/v1/chat/completions", body, X_Robutler_Events="1"))
    )
    thread.start()

    def end() -> Stream:
        thread.join(30)
        return answers[0]

    assert eventually(lambda: bool(owner.get(f"{APPROVALS}?status=pending").json["data"]), within_s=20)
    (asked,) = owner.get(f"{APPROVALS}?status=pending").json["data"]
    yield asked, end
    thread.join(30)


@pytest.mark.parametrize("approved", [True, False])
def test_a_run_waits_for_a_members_word_and_goes_on(
    acme_client: ApiClient, globex_client: ApiClient, rocket: str, globex: Any, approved: bool
) -> None:
    with waiting(globex_client, rocket, acme_client) as (asked, end):
        assert RocketSkill.launched == []
        assert (asked["tool"], asked["arguments"]) == ("launch", '{"target": "the moon"}')
        decided = acme_client.post(f"{APPROVALS}/{asked['id']}/decision", {"approved": approved})
        stream = end()

    again = acme_client.post(f"{APPROVALS}/{asked['id']}/decision", {"approved": True})
    assert (decided.status, decided.json["status"]) == (200, "approved" if approved else "declined")
    assert again.code == (409, "conflict_error", "approval_over")
    assert stream.text == "Done."
    assert RocketSkill.launched == (["the moon"] if approved else [])
    assert ("declined" in "".join(stream.frames)) is not approved
    assert ledger.balance(globex.id).held == 0


def test_nobody_decides_in_time_and_the_model_is_told(
    acme_client: ApiClient, rocket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "ROBUTLER", settings.ROBUTLER.model_copy(update={"approval_s": 0.2}))

    stream = acme_client.stream("/v1/chat/completions", {"model": rocket, **HELLO}, X_Robutler_Events="1")

    assert stream.text == "Done."
    assert "Nobody decided" in "".join(stream.frames)
    assert RocketSkill.launched == []
    assert eventually(lambda: acme_client.get(APPROVALS).json["data"][0]["status"] == "expired", within_s=10)


def test_the_time_of_a_run_stands_still_while_it_waits(acme_client: ApiClient, rocket: str, acme: Any) -> None:
    from agents.models import Agent
    from agents.services import publishing
    from tenants.context import organization_context

    with organization_context(acme.id):
        agent = Agent.objects.get(slug=rocket.partition("/")[2])
        publishing.save_draft(agent, limits={"seconds": 4})
        publishing.publish(agent)

    with waiting(acme_client, rocket, acme_client) as (asked, end):
        threading.Event().wait(5)
        acme_client.post(f"{APPROVALS}/{asked['id']}/decision", {"approved": True})
        stream = end()

    assert stream.text == "Done."
    assert RocketSkill.launched == ["the moon"]


def test_others_neither_see_nor_decide(acme_client: ApiClient, globex_client: ApiClient, rocket: str) -> None:
    with waiting(globex_client, rocket, acme_client) as (asked, end):
        address = f"{APPROVALS}/{asked['id']}"
        seen = globex_client.get(APPROVALS).json["data"], globex_client.get(address).status
        refused = globex_client.post(f"{address}/decision", {"approved": True})
        absent = globex_client.post(f"{APPROVALS}/01890000-0000-7000-8000-000000000000/decision", {"approved": True})
        acme_client.post(f"{address}/decision", {"approved": False})
        end()

    assert seen == ([], 404)
    assert (refused.status, refused.json) == (404, absent.json)
    assert RocketSkill.launched == []


def test_a_caller_who_leaves_waits_no_more(acme_client: ApiClient, rocket: str, acme: Any) -> None:
    body = {"model": rocket, "stream": True, **HELLO}

    with acme_client.http.stream("POST", "/v1/chat/completions", json=body):
        assert eventually(lambda: bool(acme_client.get(f"{APPROVALS}?status=pending").json["data"]), within_s=20)

    assert eventually(lambda: not acme_client.get(f"{APPROVALS}?status=pending").json["data"], within_s=20)
    assert eventually(lambda: not ledger.balance(acme.id).held, within_s=10)
    assert RocketSkill.launched == []


def test_a_member_decides_in_the_console_and_it_is_written_down(acme: Any, acme_client: ApiClient, rocket: str) -> None:
    from tenants.models import AuditEvent

    browser, viewer = Client(), Client()
    browser.force_login(make.member(acme, Role.DEVELOPER).user)
    viewer.force_login(make.member(acme, Role.VIEWER).user)

    with waiting(acme_client, rocket, acme_client) as (asked, end):
        page = f"/console/agents/approval/{asked['id']}/change/"
        home = browser.get("/console/").content.decode()
        shown, hidden = browser.get(page), viewer.get(page)
        decide = f"/console/agents/approval/{asked['id']}/decide/"
        refused = viewer.post(decide, {"decision": "approve"}), browser.get(decide)
        done = browser.post(decide, {"decision": "approve"})
        stream = end()

    assert "wants to use launch" in home
    assert (shown.status_code, hidden.status_code) == (200, 403)
    assert "the moon" in shown.content.decode()
    assert [answer.status_code for answer in refused] == [403, 405]
    assert done.status_code == 302
    assert stream.text == "Done."
    assert RocketSkill.launched == ["the moon"]
    with platform_context(reason="a test"):
        assert AuditEvent.objects.filter(action="approval.approved", organization=acme).count() == 1
