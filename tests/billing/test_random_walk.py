"""Whatever happens in whatever order, the books agree with a model of them."""

from collections.abc import Mapping

import pytest

from tests.billing import money
from tests.billing.walk import Walk


@pytest.mark.parametrize("seed", range(6))
def test_the_books_hold_after_every_step(seed: int, database_urls: Mapping[str, str]) -> None:
    Walk(url=money.superuser(database_urls), seed=seed).walk(60)


@pytest.mark.prove
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", range(100, 140))
def test_the_books_hold_after_every_step_of_a_long_walk(seed: int, database_urls: Mapping[str, str]) -> None:
    Walk(url=money.superuser(database_urls), seed=seed).walk(400)
