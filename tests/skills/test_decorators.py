"""Decorators, and what a Skill makes of them."""

from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from skills.sdk import CredentialReference, PricingInfo, Secret, Skill, handoff, hook, http, pricing, prompt, tool
from skills.sdk.decorators import specs_of
from skills.sdk.specs import HookSpec, PricingSpec, ToolSpec


def test_a_tool_is_named_and_described_by_its_function() -> None:
    @tool
    async def current_time() -> str:
        """Tell the time."""
        return ""

    assert specs_of(current_time) == (ToolSpec(name="current_time", description="Tell the time."),)


def test_a_tool_may_say_everything_itself() -> None:
    @tool(name="now", description="The time.", scope="owner", timeout_s=3, background=True, irreversible=True)
    async def current_time() -> str:
        """Tell the time."""
        return ""

    assert specs_of(current_time) == (
        ToolSpec(name="now", description="The time.", scope="owner", timeout_s=3, background=True, irreversible=True),
    )


@pytest.mark.parametrize("about", [{"name": "no spaces"}, {"name": "x" * 65}, {"scope": "everyone"}, {"timeout_s": 0}])
def test_a_tool_that_makes_no_sense_is_refused(about: Any) -> None:
    with pytest.raises(ValueError):

        @tool(**about)
        async def current_time() -> str:
            return ""


def test_one_function_may_be_several_hooks_but_one_tool() -> None:
    @hook("on_message", priority=1)
    @hook("on_connection")
    async def listen(self: Any, ctx: Any) -> None: ...

    assert specs_of(listen) == (HookSpec(event="on_connection"), HookSpec(event="on_message", priority=1))
    with pytest.raises(TypeError, match="twice"):
        tool(tool(listen))


def test_hooks_are_async_and_events_are_known() -> None:
    with pytest.raises(TypeError, match="async def"):

        @hook("on_message")
        def blocking(self: Any) -> None: ...

    with pytest.raises(ValueError, match="There is no hook 'on_tuesday'"):
        hook("on_tuesday")  # type: ignore[arg-type]


def test_prompts_and_handoffs_work_with_and_without_parentheses() -> None:
    @prompt
    def bare() -> str:
        return ""

    @prompt(priority=3)
    def ordered() -> str:
        return ""

    @handoff
    async def person() -> None:
        """To a person."""

    @handoff(name="human", priority=1)
    async def other() -> None: ...

    specs: list[Any] = [specs_of(each)[0] for each in (bare, ordered, person, other)]
    assert [spec.priority for spec in specs] == [50, 3, 50, 1]
    assert [(spec.name, spec.description) for spec in specs[2:]] == [("person", "To a person."), ("human", "")]
    with pytest.raises(TypeError, match="async function or generator"):
        handoff(bare)


@pytest.mark.parametrize(
    "subpath", ["/chat/completions", "/v1/models", "/info", "/{anything}", "", "things", "/a b", "/"]
)
def test_reserved_and_malformed_subpaths_are_refused(subpath: str) -> None:
    with pytest.raises(ValueError, match=r"reserved|no subpath"):
        http(subpath)


def test_a_handlers_method_is_a_known_one() -> None:
    with pytest.raises(ValueError, match="BREW"):
        http("/coffee", method="BREW")  # type: ignore[arg-type]


@pytest.mark.parametrize("credits_per_call", ["-1", "free", "NaN", "Infinity"])
def test_a_price_is_a_finite_amount(credits_per_call: str) -> None:
    with pytest.raises(ValueError, match="not an amount of credits"):
        pricing(credits_per_call)


def test_a_price_must_say_what_to_hold() -> None:
    with pytest.raises(ValueError, match="needs credits_per_call, lock or settle"):
        pricing()
    with pytest.raises(ValueError, match="what to hold"):
        pricing(settle=lambda result: 1)


def test_amounts_are_exact_however_they_are_written() -> None:
    assert PricingSpec(lock=lambda arguments: 0.1).held({}) == Decimal("0.1")
    assert PricingInfo(credits="0.10").credits == Decimal("0.1")  # type: ignore[arg-type]
    assert PricingSpec(credits_per_call=Decimal(2), settle=lambda result: len(result)).charged("abc") == 3
    assert PricingSpec(lock=lambda arguments: 1).charged("abc") == 0


class Base(Skill):
    """A skill with options."""

    name = "based"

    class Options(Skill.Options):
        """Its options."""

        size: int = 3
        """How large."""
        credential: CredentialReference | None = None

    options: Options

    @tool
    async def one(self) -> str:
        return "base"

    @tool
    async def two(self) -> str:
        return "two"


def test_a_subclass_replaces_tools_and_keeps_their_order() -> None:
    class Derived(Base):
        name = "derived"

        @tool
        async def one(self) -> str:
            return "derived"

        @tool
        async def three(self) -> str:
            return "three"

    assert [method.__name__ for method, _ in Derived().members()] == ["one", "two", "three"]


def test_options_are_frozen_closed_described_and_know_their_credentials() -> None:
    skill = Base(Base.Options(size=4))

    with pytest.raises(ValidationError):
        skill.options.size = 5  # type: ignore[misc]
    with pytest.raises(ValidationError):
        Base.Options(colour="red")  # type: ignore[call-arg]
    properties = Base.Options.model_json_schema()["properties"]
    assert properties["size"]["description"] == "How large."
    assert properties["credential"]["anyOf"][0]["format"] == "credential"


def test_a_skill_takes_its_own_options_only() -> None:
    with pytest.raises(TypeError, match="its own Options"):
        Base(Skill.Options())


def test_names_and_options_are_checked_when_the_class_is_written() -> None:
    with pytest.raises(ValueError, match="cannot name a skill"):
        type("Loud", (Skill,), {"name": "Loud"})
    with pytest.raises(TypeError, match="must subclass"):
        type("Odd", (Skill,), {"name": "odd", "Options": dict})


def test_a_secret_never_prints() -> None:
    secret = Secret("hunter2")

    assert "hunter2" not in f"{secret} {secret!r}"
    assert secret.reveal() == "hunter2"
    assert {secret} == {Secret("hunter2")}
    assert secret != "hunter2"
