"""One server for all tests of the edge, and a client for each of the cast."""

import warnings
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings

from tests.api.client import ApiClient, Server

if TYPE_CHECKING:
    from agents.services.drafts import SkillChoice

OPERATORS_TOKEN = "a-token-of-the-operator"
CREDIT_NANOS = 10_000_000_000
DRAFT = ("keeps_content", "limits", "on_disconnect", "visibility")
"""What of a scripted agent belongs to itself, and not to its script."""


@pytest.fixture(scope="session")
def server(database: None) -> Generator[Server]:
    """Our application, listening."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "No directory at")  # static files are collected where they are deployed
        from robutler_site.asgi import application

    with Server(application) as running:
        yield running


@pytest.fixture
def acme_client(server: Server, acme: Any) -> Generator[ApiClient]:
    """Acme, with money and a key that may do everything."""
    with ApiClient(server.url, _key_with_money(acme)) as client:
        yield client


@pytest.fixture
def globex_client(server: Server, globex: Any) -> Generator[ApiClient]:
    """The neighbour, as well equipped."""
    with ApiClient(server.url, _key_with_money(globex)) as client:
        yield client


@pytest.fixture
def stranger(server: Server) -> Generator[ApiClient]:
    """Someone without a key."""
    with ApiClient(server.url) as client:
        yield client


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> str:
    """What opens the operator's addresses."""
    monkeypatch.setattr(settings, "ROBUTLER", settings.ROBUTLER.model_copy(update={"metrics_token": OPERATORS_TOKEN}))
    return OPERATORS_TOKEN


@pytest.fixture
def scripted(acme: Any) -> Callable[..., str]:
    """Publishes an agent of Acme's that follows these rules; answers its slug."""
    from agents.services.drafts import SkillChoice
    from tests import make

    def publish(*rules: dict[str, Any], skills: "Sequence[SkillChoice]" = (), **options: Any) -> str:
        fields = {name: options.pop(name) for name in DRAFT if name in options}
        script = SkillChoice(skill="scripted", options={"rules": list(rules), **options})
        slug: str = make.published(acme, skills=[script, *skills], **fields).slug
        return slug

    return publish


@pytest.fixture
def greeter(acme: Any) -> str:
    """The slug of Acme's agent."""
    from tests import make

    slug: str = make.published(acme).slug
    return slug


def _key_with_money(organization: Any) -> str:
    from tenants.permissions import KEY_PERMISSIONS
    from tests import make  # needs Django, which is not set up when this file is read

    make.wallet(organization, CREDIT_NANOS)
    return make.key(organization, permissions=sorted(KEY_PERMISSIONS))
