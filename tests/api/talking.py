"""A client that talks over a WebSocket, as a program or a browser would."""

import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

PATIENCE_S = 20.0


class Talker:
    """One socket and what was heard on it."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.heard: list[dict[str, Any]] = []

    def say(self, **message: Any) -> None:
        """Send a message."""
        self.connection.send(json.dumps(message))

    def chat(self, words: str, **more: Any) -> None:
        """Ask the agent something."""
        self.say(type="chat", messages=[{"role": "user", "content": words}], **more)

    def hear(self) -> dict[str, Any]:
        """The next message."""
        message: dict[str, Any] = json.loads(self.connection.recv(timeout=PATIENCE_S))
        self.heard.append(message)
        return message

    def hear_until(self, *types: str) -> list[dict[str, Any]]:
        """The next messages, up to the first of one of these types."""
        messages = [self.hear()]
        while messages[-1]["type"] not in types:
            messages.append(self.hear())
        return messages

    def closed_with(self) -> int:
        """The code with which the other side closes, after whatever it says until then."""
        with pytest.raises(ConnectionClosed) as closed:
            self._hear_on()
        assert closed.value.rcvd is not None
        return closed.value.rcvd.code

    def _hear_on(self) -> None:
        while True:
            self.hear()


@contextmanager
def talking(
    url: str, path: str, key: str | None = None, *, subprotocols: Sequence[str] = (), **headers: str
) -> Generator[Talker]:
    """A socket at this address."""
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    if key is not None:
        told["Authorization"] = f"Bearer {key}"
    address = url.replace("http://", "ws://") + path
    with connect(
        address,
        additional_headers=told,
        subprotocols=[Subprotocol(name) for name in subprotocols] or None,
        open_timeout=PATIENCE_S,
        max_size=None,
        compression=None,
    ) as socket:
        yield Talker(socket)


def refused_with(url: str, path: str, key: str | None = None, **headers: str) -> tuple[int, str]:
    """The status with which a handshake is refused, and what is said to it."""
    try:
        with talking(url, path, key, **headers):
            return 101, ""
    except InvalidStatus as refused:
        return refused.response.status_code, refused.response.body.decode()


def text_of(messages: Sequence[Mapping[str, Any]]) -> str:
    """What the agent said in these messages."""
    return "".join(message.get("text", "") for message in messages if message["type"] == "delta")
