"""Completions over a real socket: whole and streamed, at every address."""

from tests.api.client import HELLO, ApiClient


def test_a_whole_completion(acme_client: ApiClient, greeter: str) -> None:
    answer = acme_client.post("/v1/chat/completions", {"model": greeter, **HELLO})

    assert answer.status == 200, answer.body
    assert answer.json["model"] == greeter
    assert answer.json["choices"][0]["message"]["content"]


def test_a_streamed_completion(acme_client: ApiClient, greeter: str) -> None:
    stream = acme_client.stream("/v1/chat/completions", {"model": greeter, **HELLO})

    assert stream.status == 200
    assert stream.text
    assert stream.frames[-1] == "data: [DONE]"
