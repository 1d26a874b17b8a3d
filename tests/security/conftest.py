"""The server and the cast of the API's tests, for those who mean it harm."""

from tests.api.conftest import (
    acme_client,
    globex_client,
    greeter,
    scripted,
    server,
    stranger,
    token,
)

__all__ = ["acme_client", "globex_client", "greeter", "scripted", "server", "stranger", "token"]
