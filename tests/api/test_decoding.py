"""Bodies that are meant to be dear or ambiguous to read."""

import json
import random
from typing import Any

import pytest

from api.openai.decoding import fields_of
from api.openai.schemas import decode
from api.problems import InvalidRequest


def test_a_body_of_countless_members_is_refused_before_anything_is_made_of_it() -> None:
    body = json.dumps({f"k{number}": number for number in range(20_000)}).encode()

    with pytest.raises(InvalidRequest) as refused:
        decode(body)

    assert refused.value.code == "unknown_parameter"


def test_a_name_written_with_escapes_does_not_hide_a_double() -> None:
    body = rb'{"model":"a","mode\u006c":"b","messages":[{"role":"user","content":"x"}]}'

    with pytest.raises(InvalidRequest) as refused:
        decode(body)

    assert "twice" in refused.value.message


def test_escapes_in_a_text_are_no_doubles() -> None:
    body = rb'{"model":"a","messages":[{"role":"user","content":"\u00e9 \"model\" and \"model\""}]}'

    assert decode(body).messages[0]["content"] == 'é "model" and "model"'


@pytest.mark.parametrize("written_in", ["ascii", "utf-8"])
def test_whatever_honest_json_says_it_is_read(written_in: str) -> None:
    chance = random.Random(7)

    def text() -> str:
        return "".join(chance.choices('\\"{}[]:,\n\t a\u2028é/u0', k=chance.randint(0, 8)))

    def value(depth: int) -> Any:
        kind = chance.random()
        if depth < 4 and kind < 0.3:
            return {f"{text()}{number}": value(depth + 1) for number in range(chance.randint(0, 4))}
        if depth < 4 and kind < 0.5:
            return [value(depth + 1) for _ in range(chance.randint(0, 4))]
        return text()

    for _ in range(2_000):
        sent = {"a": value(0), "b": value(0)}
        fields = fields_of(json.dumps(sent, ensure_ascii=written_in == "ascii").encode())
        assert {name: json.loads(bytes(raw)) for name, raw in fields.items()} == sent
