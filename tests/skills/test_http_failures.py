"""A provider's refusals in the runtime's words."""

import json
from typing import Any

import pytest

from skills.sdk import (
    ModelFailed,
    ModelOverloaded,
    ModelRateLimited,
    ModelRejected,
    ModelTimeout,
    ModelUnauthorized,
    ModelUnreachable,
)
from skills.sdk import http_failures as failures
from skills.sdk.providers import usage_of
from skills.sdk.retries import ConnectTimeout, pause_before_retry

DATE = "Mon, 23 Nov 2026 10:00:00 GMT"


def refused(status: int, error: Any = None, *, hidden: str = "", **headers: str) -> ModelFailed:
    body = json.dumps(error if isinstance(error, list | str) else {"error": error}).encode()
    return failures.refused(status=status, headers=headers, body=body, hidden=hidden)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7), ({"retry-after": "0.5"}, 0.5), ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "Mon, 23 Nov 2026 10:00:30 GMT", "date": DATE}, 30),
        ({"retry-after": "Mon, 23 Nov 2026 09:00:00 GMT", "date": DATE}, 0),
        ({"retry-after": "Mon, 23 Nov 2026 10:00:30 GMT"}, None), ({"retry-after": "soon", "date": DATE}, None),
        ({"retry-after": "-1"}, None), ({"retry-after": "nan"}, None), ({"retry-after": "9" * 40}, None), ({}, None),
    ],
)  # fmt: skip
def test_how_long_to_wait_is_read_from_seconds_and_dates(headers: dict[str, str], seconds: float | None) -> None:
    assert failures.retry_after(headers) == seconds


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, ModelRejected), (404, ModelRejected), (413, ModelRejected), (415, ModelRejected), (422, ModelRejected),
        (401, ModelUnauthorized), (402, ModelUnauthorized), (403, ModelUnauthorized), (429, ModelRateLimited),
        (408, ModelTimeout), (504, ModelTimeout), (409, ModelOverloaded), (503, ModelOverloaded),
        (529, ModelOverloaded), (500, ModelUnreachable), (502, ModelUnreachable), (302, ModelUnreachable),
        (204, ModelUnreachable),
    ],
)  # fmt: skip
def test_each_status_is_one_error(status: int, error: type[ModelFailed]) -> None:
    assert type(refused(status, {"message": "x"})) is error


def test_a_rejection_repeats_what_is_about_the_request_and_nothing_else() -> None:
    told = {"message": "Bad 'temperature' for sk-mykey at http://10.0.0.7/x of org-AbCdEf123.", "param": "temperature"}

    failure = refused(400, told | {"code": "invalid_value"}, hidden="sk-mykey")

    assert isinstance(failure, ModelRejected)
    assert (failure.parameter, failure.code) == ("temperature", "invalid_value")
    assert "Bad 'temperature'" in str(failure)
    assert all(secret not in str(failure) for secret in ("sk-mykey", "10.0.0.7", "org-AbCdEf123"))


@pytest.mark.parametrize(
    "body", ["", [], [{"error": {"message": "listed"}}], "plain", None, {"message": 7, "param": 1}]
)
def test_odd_bodies_are_survived(body: Any) -> None:
    failure = refused(400, body)

    assert isinstance(failure, ModelRejected)
    assert failure.parameter is None
    assert failures.refused(status=400, headers={}, body=b"\xff<html>", hidden="").args


def test_a_quota_that_is_used_up_is_the_owners_to_mend_and_not_tried_again() -> None:
    failure = refused(429, {"code": "insufficient_quota", "message": "x"})

    assert isinstance(failure, ModelUnauthorized)
    assert pause_before_retry(failure, tried=0) is None


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"code": 429}, ModelRateLimited), ({"code": 400, "message": "x"}, ModelRejected),
        ({"code": "context_length_exceeded"}, ModelRejected), ({"type": "invalid_request_error"}, ModelRejected),
        ({"code": "insufficient_quota"}, ModelUnauthorized), ({"type": "authentication_error"}, ModelUnauthorized),
        ({"type": "rate_limit_error"}, ModelRateLimited), ({"type": "overloaded_error"}, ModelOverloaded),
        ({"type": "timeout"}, ModelTimeout), ({"type": "server_error"}, ModelUnreachable), ({}, ModelUnreachable),
    ],
)  # fmt: skip
def test_an_error_within_a_stream_is_told_apart_by_its_words(error: Any, kind: type[ModelFailed]) -> None:
    assert type(failures.reported(json.dumps(error).encode())) is kind


@pytest.mark.parametrize(
    ("failure", "waits"),
    [
        (ModelRejected("x"), False), (ModelUnauthorized("x"), False), (ModelTimeout("x"), False),
        (ConnectTimeout("x"), True), (ModelUnreachable("x"), True), (ModelOverloaded("x"), True),
        (ModelRateLimited("x", retry_after_s=8), True), (ModelRateLimited("x", retry_after_s=9), False),
    ],
)  # fmt: skip
def test_only_what_may_help_is_tried_again(failure: ModelFailed, waits: bool) -> None:
    assert (pause_before_retry(failure, tried=1) is not None) is waits


def test_pauses_grow_and_differ() -> None:
    pauses = [[pause_before_retry(ModelUnreachable("x"), tried=tried) or 0 for _ in range(20)] for tried in range(8)]

    assert all(max(one) <= 4 for one in pauses)
    assert min(pauses[3]) > max(pauses[0])
    assert len(set(pauses[0])) > 1


def test_parts_of_usage_are_never_more_than_their_whole() -> None:
    told = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15,
            "prompt_tokens_details": {"cached_tokens": 99, "audio_tokens": 2},
            "completion_tokens_details": {"reasoning_tokens": 4, "audio_tokens": "x"}}  # fmt: skip

    usage = usage_of(told, spoke=True)

    assert usage is not None
    assert (usage.cached_input_tokens, usage.input_audio_tokens, usage.reasoning_tokens) == (10, 2, 4)
    assert usage.output_audio_tokens == 0


@pytest.mark.parametrize(
    "told",
    [
        {"prompt_tokens_details": {"cache_write_tokens": 40, "cache_creation_token_details": {
            "ephemeral_5m_input_tokens": 30, "ephemeral_1h_input_tokens": 10}}},
        {"cache_creation_input_tokens": 40, "cache_creation": {"ephemeral_1h_input_tokens": 10}},
    ],
    ids=["as litellm tells it", "as Anthropic tells it"],
)  # fmt: skip
def test_what_is_kept_for_an_hour_is_told_from_the_rest(told: dict[str, Any]) -> None:
    usage = usage_of({"prompt_tokens": 100, "completion_tokens": 5, **told}, spoke=True)

    assert usage is not None
    assert (usage.cache_write_tokens, usage.cache_write_1h_tokens) == (40, 10)


def test_images_are_told_from_the_rest() -> None:
    told = {"prompt_tokens": 10, "completion_tokens": 5,
            "prompt_tokens_details": {"image_tokens": 7}, "completion_tokens_details": {"image_tokens": 3}}  # fmt: skip

    usage = usage_of(told, spoke=True)

    assert usage is not None
    assert (usage.input_image_tokens, usage.output_image_tokens) == (7, 3)


def test_reasoning_that_is_counted_beside_the_completion_is_added_to_it() -> None:
    told = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 35,
            "completion_tokens_details": {"reasoning_tokens": 20}}  # fmt: skip

    usage = usage_of(told, spoke=True)

    assert usage is not None
    assert (usage.output_tokens, usage.reasoning_tokens) == (25, 20)


@pytest.mark.parametrize("told", [None, [], {}, {"prompt_tokens": 3}, {"prompt_tokens": 0, "completion_tokens": 3},
                                  {"prompt_tokens": True, "completion_tokens": 3}])  # fmt: skip
def test_half_a_count_is_none(told: Any) -> None:
    assert usage_of(told, spoke=True) is None


def test_a_reply_that_said_something_cost_something() -> None:
    told = {"prompt_tokens": 3, "completion_tokens": 0}

    assert usage_of(told, spoke=True) is None
    assert usage_of(told, spoke=False) is not None
