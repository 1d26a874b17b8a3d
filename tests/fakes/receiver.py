"""Somebody who listens to webhooks: keeps what it was sent, and answers as it is told to."""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True, kw_only=True)
class Message:
    """A message as it arrived; header names are lower case."""

    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """What arrived, in order, and the statuses that the next messages are answered with; then 204."""

    place: str
    messages: list[Message] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{self.place}/hooks"


@contextmanager
def receiver() -> Generator[Receiver]:
    """A receiver on a port of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            heard.messages.append(Message(headers=headers, body=body))
            self.send_response(heard.answers.pop(0) if heard.answers else 204)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        heard = Receiver(place=f"127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield heard
        finally:
            server.shutdown()
            thread.join()
