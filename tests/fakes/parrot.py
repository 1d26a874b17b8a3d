"""A provider that fails as it is told to, and repeats to whoever asks what it should have kept to itself."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Self


class Parrot:
    """Answers a completion of model `400` with that status, and `stream` with an error inside of a stream.

    In its every word are the request's headers and `words`. `heard` is what it was asked, headers and all.
    """

    def __init__(self, words: str) -> None:
        self.heard: list[str] = []
        heard = self.heard

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                heard.append(f"{self.headers}\n{body.decode()}")
                order = json.loads(body)["model"].rpartition("/")[2]
                error = {"error": {"message": f"You sent {self.headers} and I know\n{words}", "type": "canary"}}
                if order == "stream":
                    self._answer(200, "text/event-stream", f"data: {json.dumps(error)}\n\ndata: [DONE]\n\n")
                else:
                    self._answer(int(order), "application/json", json.dumps(error))

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

            def _answer(self, status: int, kind: str, text: str) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(text.encode())))
                self.send_header("Set-Cookie", f"session={words.splitlines()[0]}")
                self.end_headers()
                self.wfile.write(text.encode())

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._server.serve_forever, name="parrot", daemon=True)

    @property
    def address(self) -> str:
        """`host:port`, for an allow list."""
        return f"127.0.0.1:{self._server.server_port}"

    @property
    def base_url(self) -> str:
        """What to configure as the provider's address."""
        return f"http://{self.address}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
