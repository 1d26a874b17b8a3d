"""Bodies that are meant to be dear or ambiguous to read."""

import json

import pytest

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
