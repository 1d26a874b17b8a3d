"""HTTP/1.1 by hand, for what no proper client would send."""

import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.live.server import LiveServer

COMPLETIONS = "/v1/chat/completions"


class Line:
    """A connection to the server, bare."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection

    def send(self, data: str | bytes) -> None:
        """Send it, whether or not somebody still listens."""
        self.socket.sendall(data.encode() if isinstance(data, str) else data)

    def answer(self) -> bytes:
        """One answer with a length."""
        got = b""
        while b"\r\n\r\n" not in got:
            got += self.socket.recv(65_536)
        top, _, content = got.partition(b"\r\n\r\n")
        length = int(top.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        while len(content) < length:
            content += self.socket.recv(65_536)
        return top + b"\r\n\r\n" + content

    def received(self) -> bytes:
        """All that comes, until the other side closes or breaks off."""
        return b"".join(self.pieces())

    def pieces(self, *, at_most: int = 65_536) -> Iterator[bytes]:
        """The same, as it comes."""
        try:
            while piece := self.socket.recv(at_most):
                yield piece
        except ConnectionError:
            return

    def is_closed(self) -> bool:
        """Whether the other side has closed, now and with nothing left to read."""
        self.socket.setblocking(False)
        try:
            return self.socket.recv(1) == b""
        except BlockingIOError:
            return False
        except ConnectionError:
            return True


@contextmanager
def line(live: LiveServer, *, receive_buffer: int | None = None, timeout_s: float = 30) -> Iterator[Line]:
    """Connect; a small `receive_buffer` makes what is not read wait at the server's side."""
    with socket.socket() as connection:
        if receive_buffer is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection.settimeout(timeout_s)
        connection.connect(("127.0.0.1", live.port))
        yield Line(connection)


def head(path: str = COMPLETIONS, *, method: str = "POST", version: str = "1.1", **headers: str) -> str:
    """The head of a request; underscores in the names of headers are dashes."""
    lines = {"Host": "127.0.0.1", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return f"{method} {path} HTTP/{version}\r\n" + "".join(f"{n}: {v}\r\n" for n, v in lines.items()) + "\r\n"


def completion(key: str, body: Mapping[str, Any], **options: str) -> str:
    """A whole request for a completion."""
    content = json.dumps(body)
    length = str(len(content.encode()))
    described = {"Content_Type": "application/json", "Content_Length": length}
    return head(Authorization=f"Bearer {key}", **described, **options) + content


def status_of(answer: bytes) -> int:
    """The status of an answer; 0 where there is none."""
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.") else 0


def error_of(answer: bytes) -> Any:
    """The error in an answer's body."""
    return json.loads(answer.partition(b"\r\n\r\n")[2])["error"]


def resident_bytes(live: LiveServer) -> int:
    """How much memory the server's process holds."""
    assert live.process is not None
    status = Path(f"/proc/{live.process.pid}/status").read_text()
    (kilobytes,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(kilobytes) * 1024
