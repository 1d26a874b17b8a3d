"""How an agent is put together, and why it sometimes cannot be."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from agents.runtime import http
from agents.runtime.agent import BaseAgent
from skills.clock import ClockSkill
from skills.scripted import ScriptedSkill
from skills.sdk import (
    HandoffResult,
    InvalidAgent,
    RunContext,
    Skill,
    StartedAgent,
    ToolRetry,
    handoff,
    pricing,
    tool,
)
from skills.sdk import http as route
from tests.runtime.cast import agent, context


class Shelf(Skill):
    """Answers HTTP requests."""

    name = "shelf"

    @route("/books/{id}")
    async def book(self, ctx: RunContext, id: int, tags: list[str] = [], *, verbose: bool = False) -> Any:  # noqa: B006  # copied for each call
        return {"id": id, "tags": tags, "verbose": verbose, "run": ctx.run_id}

    @route("/books/latest")
    def latest(self) -> str:
        return "the latest"

    @route("/books", method="POST", scope="owner")
    async def add(self, title: str) -> str:
        return title


class Desk(Skill):
    """Takes conversations over."""

    name = "desk"

    @handoff(scope="owner", description="To a person.")
    async def to_person(self, ctx: RunContext) -> HandoffResult:
        return HandoffResult(success=False)

    @handoff
    async def to_stream(self, ctx: RunContext) -> AsyncIterator[str]:
        """Stream."""
        yield "one"


def test_a_model_is_served_by_the_skill_of_its_provider() -> None:
    scripted = ScriptedSkill()

    built = BaseAgent.build(model="scripted/some/thing", skills={"clock": ClockSkill(), "scripted": scripted})

    assert built.model_skill is scripted


def test_a_model_that_no_skill_serves_is_refused() -> None:
    with pytest.raises(InvalidAgent, match="None of the agent's skills serves the model 'acme/one'"):
        BaseAgent.build(model="acme/one", skills={"clock": ClockSkill()})


def test_two_tools_of_one_name_are_refused() -> None:
    class Other(Skill):
        name = "other"

        @tool
        async def current_time(self) -> str:
            return "late"

    with pytest.raises(InvalidAgent, match="'clock' and 'other' both bring the tool 'current_time'"):
        agent(ClockSkill(), Other())


def test_a_missing_dependency_is_named() -> None:
    class Needy(Skill):
        name = "needy"
        dependencies = ("clock", "shelf")

    with pytest.raises(InvalidAgent, match="'needy' needs 'shelf'"):
        agent(ClockSkill(), Needy())


def test_a_price_without_a_tool_is_refused() -> None:
    class Odd(Skill):
        name = "odd"

        @pricing(credits_per_call="1")
        async def nothing(self) -> None: ...

    with pytest.raises(InvalidAgent, match="is no tool"):
        agent(Odd())


async def test_skills_are_started_model_first_and_stopped_in_the_opposite_order() -> None:
    log: list[str] = []

    class Timed(Skill):
        name = "timed"

        async def start(self, agent: StartedAgent) -> None:
            log.append(f"start {agent.name} {agent.model}")

        async def stop(self) -> None:
            log.append("stop")

    built = agent(Timed(), ClockSkill(), name="greeter")
    await built.start()
    await built.stop()

    assert log == ["start greeter scripted/persona", "stop"]


def test_handoffs_are_registered_with_their_scope() -> None:
    built = agent(Desk())

    assert {name: bound.scope for name, bound in built.handoffs.items()} == {"to_person": "owner", "to_stream": "all"}


async def test_http_handlers_bind_path_query_and_body() -> None:
    built, ctx = agent(Shelf()), context()
    found = http.find_handler(built, method="GET", subpath="/books/7")
    assert found is not None

    answered = await http.answer(found, ctx, query="tags=a&tags=b&verbose=true&id=9")

    assert answered == {"id": 7, "tags": ["a", "b"], "verbose": True, "run": ctx.run_id}


async def test_literal_paths_win_and_plain_functions_may_block() -> None:
    found = http.find_handler(agent(Shelf()), method="GET", subpath="/books/latest")
    assert found is not None

    assert await http.answer(found, context()) == "the latest"


async def test_a_handler_reads_a_json_body() -> None:
    found = http.find_handler(agent(Shelf()), method="POST", subpath="/books")
    assert found is not None

    assert found.handler.scope == "owner"
    assert await http.answer(found, context(), body=b'{"title": "Emma"}') == "Emma"


@pytest.mark.parametrize("body", [b"{", b"[1]", b'{"name": 1}', b""])
async def test_a_body_that_does_not_fit_is_told_so(body: bytes) -> None:
    found = http.find_handler(agent(Shelf()), method="POST", subpath="/books")
    assert found is not None

    with pytest.raises(ToolRetry):
        await http.answer(found, context(), body=body)


def test_what_no_handler_answers_is_not_found_and_methods_are_known() -> None:
    built = agent(Shelf())

    assert http.find_handler(built, method="GET", subpath="/films") is None
    assert http.find_handler(built, method="DELETE", subpath="/books") is None
    assert http.allowed_methods(built, "/books") == {"POST"}
    assert http.allowed_methods(built, "/films") == frozenset()


def test_two_handlers_of_one_path_are_refused() -> None:
    class Rival(Skill):
        name = "rival"

        @route("/books/{number}")
        async def other(self, number: int) -> int:
            return number

    with pytest.raises(InvalidAgent, match=r"GET /books/\{number\}"):
        agent(Shelf(), Rival())
