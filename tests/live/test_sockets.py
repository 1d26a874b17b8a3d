"""WebSockets of two web processes that share a Redis."""

from typing import Any

import pytest

from tests import make
from tests.api.talking import Talker, talking, text_of
from tests.live.cast import Cast
from tests.live.pair import Pair, pair

__all__ = ["pair"]

WORDS = " ".join(f"word{number}" for number in range(60))
END = ("run.finished", "run.failed", "error")


def speaking(cast: Cast, text: str) -> str:
    """An agent that says a word every 50 milliseconds."""
    from agents.services.drafts import SkillChoice

    script = SkillChoice(skill="scripted", options={"rules": [{"text": text}], "chunk_ms": 50})
    slug: str = make.published(cast.acme, skills=[script]).slug
    return slug


@pytest.fixture
def slow(cast: Cast) -> str:
    """An agent that takes three seconds for its answer."""
    return speaking(cast, WORDS)


@pytest.fixture
def endless(cast: Cast) -> str:
    """An agent that speaks for a minute, unless it is stopped."""
    return speaking(cast, "word " * 1_200)


def at(pair: Pair, number: int, cast: Cast, agent: str) -> Any:
    return talking(pair.servers[number].url, f"/ws/chat/{agent}", cast.acme_key)


def follow(talker: Talker) -> None:
    """Follow the conversation, and be sure to."""
    talker.say(type="follow", conversation="ours")
    talker.say(type="ping")
    talker.hear_until("pong")


def frames(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [message for message in messages if "seq" in message]


def test_a_conversation_streams_in_windows_of_both_processes(pair: Pair, cast: Cast, slow: str) -> None:
    with at(pair, 0, cast, slow) as one, at(pair, 1, cast, slow) as other:
        follow(other)
        one.chat("Tell me.", conversation="ours")
        in_one, in_other = frames(one.hear_until(*END)), frames(other.hear_until(*END))

    assert text_of(in_one) == WORDS
    assert in_other == in_one


def test_who_lost_its_socket_goes_on_at_another_process(pair: Pair, cast: Cast, slow: str) -> None:
    with at(pair, 0, cast, slow) as one:
        one.chat("Tell me.")
        one.hear_until("delta")
        heard = frames(one.heard)

    with at(pair, 1, cast, slow) as again:
        again.say(type="resume", run=heard[0]["run"], after=heard[-1]["seq"])
        rest = frames(again.hear_until(*END))

    assert [message["seq"] for message in heard + rest] == list(range(len(heard + rest)))
    assert text_of(heard + rest) == WORDS


def test_a_run_is_stopped_and_seen_from_another_process(pair: Pair, cast: Cast, endless: str) -> None:
    with at(pair, 0, cast, endless) as one:
        one.chat("Tell me.")
        run_id = one.hear_until("delta")[-1]["run"]
        with (
            talking(pair.servers[1].url, f"/ws/runs/{run_id}", cast.acme_key) as viewer,
            at(pair, 1, cast, endless) as other,
        ):
            viewer.hear_until("run.started")
            other.say(type="resume", run=run_id)
            other.hear_until("delta")
            other.say(type="cancel", run=run_id)
            ends = [talker.hear_until(*END)[-1] for talker in (one, other, viewer)]

    assert {(end["type"], end["status"]) for end in ends} == {("run.failed", "cancelled")}


def test_nothing_is_missed_while_redis_is_away(pair: Pair, cast: Cast, slow: str) -> None:
    with at(pair, 0, cast, slow) as one, at(pair, 1, cast, slow) as other:
        follow(other)
        one.chat("Tell me.", conversation="ours")
        one.hear_until("delta")
        pair.redis.stop()
        pair.redis.start()
        one.hear_until(*END)

    assert text_of(one.heard) == WORDS
    assert [message["seq"] for message in frames(one.heard)] == list(range(len(frames(one.heard))))
