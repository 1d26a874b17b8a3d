"""The servers and the cast of the API's and the live tests, for those who mean them harm."""

from tests.api.conftest import (
    acme_client,
    globex_client,
    greeter,
    scripted,
    server,
    stranger,
    token,
)
from tests.live.conftest import books, cast, live, start, upstream
from tests.robutler_site.conftest import queue

__all__ = [
    "acme_client", "books", "cast", "globex_client", "greeter", "live", "queue", "scripted", "server", "start",
    "stranger", "token", "upstream",
]  # fmt: skip
