"""What the skills that reach out are tested with: a site, and the one safe client on the way there."""

from collections.abc import Generator

import pytest

import outbound
from tests.fakes.site import Site, site


@pytest.fixture
def here() -> Generator[Site]:
    """A site that the operator opened, as only an operator can."""
    with site() as running:
        outbound.configure(allow=[running.place])
        yield running
        outbound.configure()
