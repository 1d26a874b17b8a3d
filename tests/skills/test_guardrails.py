"""Guardrails: what they find, and that no part of it gets out of a stream, wherever it is cut."""

from typing import Any

import pytest
from pydantic import ValidationError

from skills.guardrails import GuardrailsSkill
from skills.guardrails.rules import LONGEST, Kind, Rules, redacted
from skills.sdk import Chunk, ReplyWithheld
from skills.sdk.testing import context, converse

ALL: tuple[Kind, ...] = ("email", "phone", "iban", "card", "ip", "secret")
FOUND = [
    ("write to ann.b+c@mail.example.com.", "write to [email]."),
    ("call +371 (2) 612-34-56 today", "call [phone] today"),
    ("pay DE89 3704 0044 0532 0130 00 now", "pay [iban] now"),
    ("pay DE89370400440532013000", "pay [iban]"),
    ("card 4111 1111 1111 1111!", "card [card]!"),
    ("card 4111-1111-1111-1111", "card [card]"),
    ("at 10.20.30.40:80", "at [ip]:80"),
    ("key sk-proj-abcdefghijklmnop1234", "key [secret]"),
    ("both a@b.example and 4111111111111111", "both [email] and [card]"),
]
HARMLESS = [
    "card 4111 1111 1111 1112", "pay GB82 WEST 1234 5698 7654 33", "version 1.2.3.400", "at 300.1.1.1",
    "order 1234567890123456789012345", "in 2026-11-27 12:30", "a @ b", "sk-short", "e = mc²",
]  # fmt: skip


def guard(**options: Any) -> GuardrailsSkill:
    return GuardrailsSkill(GuardrailsSkill.Options(**{"kinds": ALL, **options}))


async def streamed(skill: GuardrailsSkill, pieces: list[str]) -> str:
    ctx, said = context(), ""
    for number, piece in enumerate(pieces):
        chunk = Chunk(text=piece, finish_reason="stop" if number == len(pieces) - 1 else None)
        said += (await skill.speak(ctx, chunk) or chunk).text
    return said


@pytest.mark.parametrize(("text", "clean"), FOUND)
def test_it_finds_what_it_looks_for(text: str, clean: str) -> None:
    assert redacted(text, Rules(ALL, ()).find(text)) == clean


@pytest.mark.parametrize("text", HARMLESS)
def test_it_leaves_alone_what_only_looks_like_it(text: str) -> None:
    assert Rules(ALL, ()).find(text) == []


@pytest.mark.parametrize(("text", "clean"), FOUND)
async def test_wherever_a_stream_is_cut_nothing_gets_out(text: str, clean: str) -> None:
    before, after = "Some words before. " * 20, " And some after it, " * 20
    whole = f"{before}{text}{after}"
    wanted = f"{before}{clean}{after}"

    for at in range(len(before), len(before) + len(text) + 1):
        assert await streamed(guard(), [whole[:at], whole[at:], ""]) == wanted
    assert await streamed(guard(), list(whole)) == wanted


async def test_phrases_are_found_in_any_case_and_with_their_wildcards() -> None:
    skill = guard(kinds=(), phrases=("project heron*", "moon"))

    said = await streamed(skill, ["The Pro", "ject  HERON", "42 is on the MOON, in moonlight."])

    assert said == "The [phrase] is on the [phrase], in moonlight."


async def test_what_is_blocked_is_withheld_before_any_of_it_is_said() -> None:
    skill, said, ctx = guard(said_by="block", words="Never"), [], context()

    async def speak() -> None:
        for piece in ("The number is ", "4111 1111", " 1111 1111", " ." * LONGEST):
            chunk = Chunk(text=piece)
            said.append((await skill.speak(ctx, chunk) or chunk).text)

    with pytest.raises(ReplyWithheld, match="Never"):
        await speak()
    assert "4111" not in "".join(said)


async def test_the_probabilities_of_tokens_do_not_spell_what_was_redacted() -> None:
    spoken = await guard().speak(context(), Chunk(text="4111", logprobs={"content": [{"token": "4111"}]}))

    assert spoken is not None
    assert spoken.logprobs is None


async def test_a_private_key_is_never_said_however_much_of_it_there_is() -> None:
    skill = guard(kinds=())

    with pytest.raises(ReplyWithheld):
        await streamed(skill, ["Here: -----BEGIN RSA PRI", "VATE KEY-----\nMIIE", "x" * 3_000])


@pytest.mark.parametrize("action", ["off", "flag", "redact", "block"])
async def test_what_users_say_is_looked_at_where_it_is_wanted(action: str) -> None:
    skill = guard(said_to=action)
    said = "My card is 4111 1111 1111 1111."

    if action == "block":
        with pytest.raises(ReplyWithheld):
            await converse(said, skills=[skill], script=["Never said."])
        return
    ctx = context(messages=[{"role": "user", "content": [{"type": "text", "text": said}]}])
    await skill.hear(ctx)

    (part,) = ctx.messages[0]["content"]
    assert part["text"] == ("My card is [card]." if action == "redact" else said)


async def test_two_runs_hold_nothing_back_for_each_other() -> None:
    skill, one, other = guard(), context(), context()

    await skill.speak(one, Chunk(text="mine"))
    theirs = await skill.speak(other, Chunk(text="theirs", finish_reason="stop"))
    ours = await skill.speak(one, Chunk(finish_reason="stop"))

    assert theirs is not None
    assert ours is not None
    assert (theirs.text, ours.text) == ("theirs", "mine")


@pytest.mark.parametrize("phrase", ["*", "", "a*b*c*d", "x" * 130])
def test_a_phrase_that_cannot_be_looked_for_is_refused(phrase: str) -> None:
    with pytest.raises(ValidationError):
        GuardrailsSkill.Options(phrases=(phrase,))
