"""litellm's many exceptions in the runtime's few words."""

from typing import Any

import aiohttp
import httpx
import pytest

from skills.litellm import failures
from skills.litellm.client import vendor
from skills.sdk import ModelFailed, ModelOverloaded, ModelRejected, ModelTimeout, ModelUnauthorized, ModelUnreachable
from skills.sdk.retries import ConnectTimeout

KEY = "sk-mykey"


async def failure(name: str, message: str, **members: Any) -> ModelFailed:
    litellm: Any = await vendor()
    error = getattr(litellm, name)(message=message, model="m", llm_provider="p", **members)
    return failures.failure_of(error, provider="p", hidden=KEY)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("AuthenticationError", ModelUnauthorized), ("Timeout", ModelTimeout), ("BadRequestError", ModelRejected),
     ("NotFoundError", ModelRejected), ("ServiceUnavailableError", ModelOverloaded),
     ("InternalServerError", ModelUnreachable)],
)  # fmt: skip
async def test_each_exception_is_one_error(name: str, kind: type[ModelFailed]) -> None:
    assert type(await failure(name, "x")) is kind


async def test_a_conversation_too_long_has_a_code() -> None:
    found = await failure("ContextWindowExceededError", "litellm.BadRequestError: PException - too long")

    assert isinstance(found, ModelRejected)
    assert found.code == "context_length_exceeded"
    assert str(found).endswith("too long")


@pytest.mark.parametrize(
    ("message", "parameter", "words"),
    [
        ('PException - {"error": {"message": "no", "param": "top_k", "code": "bad"}}', "top_k", "no"),
        ('PException - {"error": "plain"}', None, "plain"), ('PException - {"half": ', None, '{"half":'),
        (f"key {KEY} of http://10.0.0.1/", None, "[removed]"), ('x {"error": {"param": 7}}', None, "x"),
    ],
)  # fmt: skip
async def test_a_rejection_says_what_the_provider_said(message: str, parameter: str | None, words: str) -> None:
    found = await failure("BadRequestError", message)

    assert isinstance(found, ModelRejected)
    assert found.parameter == parameter
    assert words in str(found)
    assert KEY not in str(found)
    assert "10.0.0.1" not in str(found)


@pytest.mark.parametrize(
    ("named", "parameter"), [("['seed', 'n']", "seed"), ("[]", None), ("[oops", None), ("[a b]", None)]
)
async def test_the_first_parameter_that_is_not_taken_is_named(named: str, parameter: str | None) -> None:
    found = await failure("UnsupportedParamsError", f"p does not support parameters: {named}")

    assert isinstance(found, ModelRejected)
    assert (found.parameter, found.code) == (parameter, "unsupported_parameter")


@pytest.mark.parametrize(
    "raised", [httpx.ReadError("x"), aiohttp.ClientPayloadError("x"), KeyError("x"), ValueError("x")]
)
async def test_whatever_its_modules_stumble_over_is_a_broken_reply(raised: Exception) -> None:
    with pytest.raises(ModelUnreachable), failures.told(provider="p", hidden=KEY):
        raise raised


async def test_our_own_errors_pass() -> None:
    with pytest.raises(ModelRejected, match="as it was"), failures.told(provider="p", hidden=KEY):
        raise ModelRejected("as it was")


async def test_a_timeout_says_whether_the_provider_was_reached() -> None:
    litellm: Any = await vendor()
    found = []
    for cause in (httpx.ConnectTimeout("x"), httpx.ReadTimeout("x")):
        error = litellm.Timeout(message="x", model="m", llm_provider="p")
        error.__cause__ = cause
        found.append(type(failures.failure_of(error, provider="p", hidden=KEY)))

    assert found == [ConnectTimeout, ModelTimeout]
