"""What a model does not take is left out and named, never dropped in silence."""

from typing import Any

import pytest

from agents.runtime.system import CALLERS
from skills.sdk import ModelRejected
from tests.runtime.cast import WEATHER, Recorder, agent, ask, context

MARK: dict[str, Any] = {"cache_control": {"type": "ephemeral"}}


class Connoisseur(Recorder):
    """A model that takes some of what OpenAI does not have."""

    name = "connoisseur"

    def takes(self, name: str, *, model: str) -> bool:
        return name in {"top_k", "cache_control"}


async def test_fields_of_other_vendors_reach_only_models_that_take_them() -> None:
    plain, connoisseur = Recorder(), Connoisseur()
    told, untold = context(), context()

    await ask(agent(model=plain), ctx=told, parameters={"top_k": 4, "seed": 1})
    await ask(agent(model=connoisseur), ctx=untold, parameters={"top_k": 4, "seed": 1})

    assert plain.requests[0].parameters == {"seed": 1}
    assert told.ignored == {"top_k"}
    assert connoisseur.requests[0].parameters == {"top_k": 4, "seed": 1}
    assert untold.ignored == set()


async def test_what_the_owner_locked_is_named_and_what_the_owner_wanted_is_not() -> None:
    ctx, model = context(), Recorder()
    owned = agent(model=model, sampling={"temperature": 0.1, "top_k": 3, "seed": 5}, locked=frozenset({"temperature"}))

    await ask(owned, ctx=ctx, parameters={"temperature": 0.9})

    assert model.requests[0].parameters == {"temperature": 0.1, "seed": 5}
    assert ctx.ignored == {"temperature"}


async def test_marks_on_parts_and_tools_reach_only_models_that_know_them() -> None:
    plain, connoisseur = Recorder(), Connoisseur()
    told, untold = context(), context()
    said = [{"role": "user", "content": [{"type": "text", "text": "Hi", **MARK}]}]

    await agent(model=plain).run(said, ctx=told, client_tools=[{**WEATHER, **MARK}])
    await agent(model=connoisseur).run(said, ctx=untold, client_tools=[{**WEATHER, **MARK}])

    assert plain.requests[0].messages == [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]
    assert plain.requests[0].tools == (WEATHER,)
    assert told.ignored == {"messages[].content[].cache_control", "tools[].cache_control"}
    assert connoisseur.requests[0].messages == said
    assert connoisseur.requests[0].tools == ({**WEATHER, **MARK},)
    assert untold.ignored == set()


async def test_a_mark_on_a_system_message_keeps_its_place() -> None:
    model = Connoisseur()
    said: list[dict[str, Any]] = [
        {"role": "system", "content": [{"type": "text", "text": "Theirs.", **MARK}, {"type": "text", "text": "More."}]},
        {"role": "user", "content": "Hi"},
    ]

    await agent(model=model, instructions="Ours.").run(said, ctx=context())

    assert model.requests[0].messages[0]["content"] == [
        {"type": "text", "text": "Ours."},
        {"type": "text", "text": CALLERS},
        {"type": "text", "text": "Theirs.", **MARK},
        {"type": "text", "text": "More."},
    ]


@pytest.mark.parametrize(
    "choice",
    [
        {"type": "function", "function": {"name": "nothing"}},
        {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [
            WEATHER, {"type": "function", "function": {"name": "nothing"}},
        ]}},
    ],
)  # fmt: skip
async def test_a_choice_of_a_tool_that_is_not_there_is_refused(choice: dict[str, Any]) -> None:
    with pytest.raises(ModelRejected) as raised:
        await ask(agent(), client_tools=[WEATHER], parameters={"tool_choice": choice})

    assert (raised.value.parameter, raised.value.code) == ("tool_choice", "invalid_value")


async def test_a_tool_is_required_only_where_there_is_one() -> None:
    with pytest.raises(ModelRejected, match="no tool to choose"):
        await ask(agent(), parameters={"tool_choice": "required"})
