"""An upstream that the operator has opened, and litellm's clients closed with the loop that opened them."""

from collections.abc import AsyncIterator, Iterator

import pytest

import outbound
from skills.litellm.client import vendor
from tests.fakes.upstream import Upstream


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as running:
        yield running


@pytest.fixture(autouse=True)
async def _imported_and_closed(upstream: Upstream) -> AsyncIterator[None]:
    litellm = await vendor()
    outbound.configure(allow=[upstream.address])
    yield
    await litellm.close_litellm_async_clients()
    await litellm.module_level_aclient.client._transport.aclose()
    litellm.in_memory_llm_clients_cache.flush_cache()
    await outbound.close_all()
    outbound.configure()
