"""Embeddings over HTTP: forms, limits, walls, and what they cost."""

import base64
import math
import struct
from typing import Any
from uuid import UUID

import pytest

from tests.api.client import ApiClient, Server

MODEL = "scripted/hashing"
PATH = "/v1/embeddings"


def vectors(answer: Any) -> list[list[float]]:
    """The vectors of an answer, in order."""
    assert answer.status == 200, answer.body
    return [entry["embedding"] for entry in sorted(answer.json["data"], key=lambda entry: entry["index"])]


def nearness(one: list[float], other: list[float]) -> float:
    """The cosine of two vectors of length 1."""
    return sum(a * b for a, b in zip(one, other, strict=True))


def test_a_text_becomes_a_vector_of_length_one(acme_client: ApiClient) -> None:
    answer = acme_client.post(PATH, {"model": MODEL, "input": "The cat sat on the mat."})

    (vector,) = vectors(answer)
    assert len(vector) == 256
    assert math.isclose(math.hypot(*vector), 1, rel_tol=1e-5)
    assert answer.json["object"] == "list"
    assert answer.json["model"] == MODEL
    assert answer.json["usage"] == {"prompt_tokens": 6, "total_tokens": 6}


def test_each_of_several_texts_has_its_own_vector_and_words_in_common_make_them_near(acme_client: ApiClient) -> None:
    texts = ["The cat sat on the mat.", "A cat sat on a mat.", "Quarterly revenue grew by a third."]

    near, nearer, far = vectors(acme_client.post(PATH, {"model": MODEL, "input": texts}))

    assert nearness(near, nearer) > nearness(near, far)


def test_tokens_are_embedded_like_texts(acme_client: ApiClient) -> None:
    one = vectors(acme_client.post(PATH, {"model": MODEL, "input": [1, 2, 3]}))
    two = vectors(acme_client.post(PATH, {"model": MODEL, "input": [[1, 2, 3], [4]]}))

    assert len(one) == 1
    assert two[0] == one[0]
    assert two[1] != one[0]


def test_base64_carries_the_same_numbers(acme_client: ApiClient) -> None:
    asked = {"model": MODEL, "input": "hello", "dimensions": 8}

    (numbers,) = vectors(acme_client.post(PATH, asked))
    (packed,) = vectors(acme_client.post(PATH, {**asked, "encoding_format": "base64"}))

    assert list(struct.unpack("<8f", base64.b64decode(packed))) == numbers  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        ({"input": ""}, "invalid_value", "input"),
        ({"input": []}, "invalid_value", "input"),
        ({"input": [""]}, "invalid_value", "input[0]"),
        ({"input": [[]]}, "invalid_value", "input[0]"),
        ({"input": {"text": "a"}}, "invalid_type", "input"),
        ({"input": None}, "invalid_type", "input"),
        ({"input": ["a", 1]}, "invalid_type", "input[1]"),
        ({"input": [-1]}, "invalid_type", "input[0]"),
        ({"input": ["a"] * 2049}, "invalid_value", "input"),
        ({"model": ""}, "invalid_value", "model"),
        ({"model": 7}, "invalid_type", "model"),
        ({"dimensions": 0}, "invalid_value", "dimensions"),
        ({"dimensions": 16_385}, "invalid_value", "dimensions"),
        ({"input": ["a"] * 513, "dimensions": 16_384}, "invalid_value", "dimensions"),
        ({"encoding_format": "int8"}, "invalid_value", "encoding_format"),
        ({"api_base": "http://attacker.example"}, "unknown_parameter", "api_base"),
    ],
)
def test_what_is_wrong_is_named(acme_client: ApiClient, change: dict[str, Any], code: str, param: str) -> None:
    answer = acme_client.post(PATH, {"model": MODEL, "input": "hello", **change})

    assert answer.code == (400, "invalid_request_error", code)
    assert answer.error["param"] == param


@pytest.mark.parametrize("missing", ["model", "input"])
def test_what_is_missing_is_named(acme_client: ApiClient, missing: str) -> None:
    asked = {"model": MODEL, "input": "hello"}
    del asked[missing]

    answer = acme_client.post(PATH, asked)

    assert answer.code == (400, "invalid_request_error", "missing_required_parameter")
    assert answer.error["param"] == missing


def test_a_key_of_some_agents_embeds_nothing(server: Server, acme: Any) -> None:
    from tests import make

    with ApiClient(server.url, make.key(acme, allowed_agents=[])) as bound:
        answer = bound.post(PATH, {"model": MODEL, "input": "hello"})

    assert answer.code == (403, "permission_error", "insufficient_scope")


def test_without_a_key_nothing_is_embedded(stranger: ApiClient) -> None:
    answer = stranger.post(PATH, {"model": MODEL, "input": "hello"})

    assert answer.code == (401, "authentication_error", "missing_api_key")


def test_other_methods_are_refused_and_preflights_answered(acme_client: ApiClient) -> None:
    assert acme_client.get(PATH).status == 405
    assert acme_client.request("OPTIONS", PATH).status == 204


def test_a_model_that_no_credential_reaches_is_not_found(acme_client: ApiClient) -> None:
    answer = acme_client.post(PATH, {"model": "cohere/embed-v4.0", "input": "hello"})

    assert answer.code == (400, "invalid_request_error", "model_not_found")
    assert "cohere" in answer.error["message"]


def test_the_run_is_recorded_and_free(acme_client: ApiClient, acme: Any) -> None:
    from agents.adapters.run_writer import run_writer
    from agents.models import Run
    from billing import ledger
    from tenants.context import organization_context

    before = ledger.balance(acme.id)
    answer = acme_client.post(PATH, {"model": MODEL, "input": "hello"})
    run_writer().flush(timeout_s=10)

    assert answer.headers["x-robutler-cost"] == "0.000000000"
    with organization_context(acme.id):
        run = Run.objects.get(id=UUID(answer.headers["x-robutler-run-id"]))
        assert (run.agent_id, run.address, run.model, run.status) == (None, MODEL, MODEL, "finished")
        assert run.input_tokens == 2
        assert run not in Run.served.all()
    assert ledger.balance(acme.id) == before


def test_a_neighbour_does_not_see_the_run(acme_client: ApiClient, globex: Any) -> None:
    from agents.adapters.run_writer import run_writer
    from agents.models import Run
    from tenants.context import organization_context

    answer = acme_client.post(PATH, {"model": MODEL, "input": "hello"})
    run_writer().flush(timeout_s=10)

    with organization_context(globex.id):
        assert not Run.objects.filter(id=UUID(answer.headers["x-robutler-run-id"])).exists()
