"""Instructor: objects out of an agent in its tool and JSON modes, with retries and partial objects."""

from collections.abc import Iterable

import instructor
import openai
import pytest
from instructor.core.exceptions import InstructorRetryException
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel, field_validator
from seat import Seat


class Trip(BaseModel):
    """A trip somewhere."""

    city: str
    days: int


class Impossible(BaseModel):
    """What no answer fits."""

    city: str

    @field_validator("city")
    @classmethod
    def nowhere(cls, city: str) -> str:
        raise ValueError(f"{city} does not exist.")


RIGA = {"city": "Riga", "days": 3}
ABOUT = [{"role": "user", "content": "A trip of 3 days to Riga."}]


def client(seat: Seat, mode: instructor.Mode = instructor.Mode.TOOLS, **options: object) -> instructor.Instructor:
    plain = OpenAI(**{"base_url": seat.url, "api_key": seat.key, "max_retries": 0, **options})
    return instructor.from_openai(plain, mode=mode)


@pytest.mark.parametrize("mode", ["TOOLS", "TOOLS_STRICT", "JSON_SCHEMA", "PARALLEL_TOOLS", "JSON"])
def test_an_object_in_each_mode(seat: Seat, mode: str) -> None:
    described = [{"role": "user", "content": "A trip of 3 days to Riga, as described."}]

    trip = client(seat, instructor.Mode[mode]).chat.completions.create(
        model=seat.persona,
        messages=described if mode == "JSON" else ABOUT,
        response_model=Iterable[Trip] if mode == "PARALLEL_TOOLS" else Trip,
    )

    for each in trip if mode == "PARALLEL_TOOLS" else [trip]:
        assert each.model_dump() == RIGA


def test_the_completion_comes_with_it(seat: Seat) -> None:
    trip, completion = client(seat).chat.completions.create_with_completion(
        model=seat.persona, messages=ABOUT, response_model=Trip
    )

    assert trip.model_dump() == RIGA
    assert completion.usage.total_tokens > 0


def test_it_asks_again_about_what_does_not_fit(seat: Seat) -> None:
    with pytest.raises(InstructorRetryException) as caught:
        client(seat).chat.completions.create(
            model=seat.persona, messages=ABOUT, response_model=Impossible, max_retries=2
        )

    assert caught.value.n_attempts >= 2
    assert "does not exist" in str(caught.value)


def test_partial_objects_stream(seat: Seat) -> None:
    parts = list(client(seat).chat.completions.create_partial(model=seat.persona, messages=ABOUT, response_model=Trip))

    assert (parts[-1].city, parts[-1].days) == ("Riga", 3)


async def test_an_asynchronous_client(seat: Seat) -> None:
    asynchronous = instructor.from_openai(AsyncOpenAI(base_url=seat.url, api_key=seat.key))

    trip = await asynchronous.chat.completions.create(model=seat.persona, messages=ABOUT, response_model=Trip)

    assert trip.model_dump() == RIGA


@pytest.mark.parametrize(
    ("name", "key", "error"),
    [
        ("persona", "wrong_key", openai.AuthenticationError),
        ("nobody", "key", openai.NotFoundError),
        ("persona", "poor_key", openai.APIStatusError),
    ],
)
def test_errors(seat: Seat, name: str, key: str, error: type[Exception]) -> None:
    with pytest.raises((error, InstructorRetryException)) as caught:
        client(seat, api_key=getattr(seat, key)).chat.completions.create(
            model=getattr(seat, name, name), messages=ABOUT, response_model=Trip, max_retries=0
        )

    assert isinstance(caught.value, error) or error.__name__ in repr(caught.value.__cause__)


def test_a_wrong_setting_is_told(seat: Seat) -> None:
    with pytest.raises((openai.BadRequestError, InstructorRetryException), match="temperature"):
        client(seat).chat.completions.create(
            model=seat.persona, messages=ABOUT, response_model=Trip, max_retries=0, temperature=3
        )
